"""From manifests to agents that can work: finds them, opens their engines, writes their records.

Agents that name the same model share one engine, those with LoRA adapters of it included. One whose
engine can't be opened here (its model is not pulled, its server is not configured, the variable of
its key is not set) is left out with a warning that says what to do; a node without any agent still
submits, votes and keeps the ledger. One whose server, at a URL, does not answer moves in when it
does (`awaited`).

A key goes with its address: that of the machine's settings to the machine's `engine.url`, that of a
manifest to the manifest's own `url`, or to the machine's where the manifest names none. So no
manifest can have the machine's key sent to a server of its choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
import trio

from symphony.core.records import Capability
from symphony.engines.base import Description, Engine
from symphony.engines.catalog import find_model
from symphony.engines.embedding import LateEncoder
from symphony.engines.registry import EngineSpec, Kind, explain_choice, open_engine
from symphony.engines.vllm_server import VllmEngine
from symphony.errors import ConfigError, EngineError, ManifestError, ModelError, SymphonyError
from symphony.manifests import AgentManifest, capability, find_manifests, secret, skill_text
from symphony.node import limits
from symphony.node.awaited import Awaited
from symphony.node.self_test import SelfTests
from symphony.node.server_notes import ServerNotes
from symphony.node.skill_vectors import SkillVectors
from symphony.node.workshop import HostedAgent
from symphony.settings import EngineSettings, NodeSettings

_log = structlog.get_logger("symphony.hosting")


@dataclass(slots=True)
class Household:
    """The agents of a node, the records that announce them, and what could not be hosted."""

    self_tests: SelfTests
    vectors: SkillVectors
    notes_of_servers: ServerNotes
    agents: dict[str, HostedAgent] = field(default_factory=dict)
    capabilities: tuple[Capability, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    """Why an agent is not hosted, by its name."""
    awaited: list[Awaited] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What else its owner should know."""

    @property
    def warnings(self) -> tuple[str, ...]:
        left_out = (f"agent {name} is not hosted: {why}" for name, why in self.left_out.items())
        return (*left_out, *self.notes)

    @classmethod
    def of(cls, settings: NodeSettings) -> Household:
        """One that nobody has moved into yet."""
        home = settings.home
        return cls(SelfTests(home), SkillVectors(home), ServerNotes(home))

    async def describe(self, encoder: LateEncoder | None) -> None:
        """Write the records of the agents that live here; with vectors if there is an encoder."""
        agents = self.agents.values()
        skills = [skill for agent in agents for skill in agent.manifest.skills]
        texts = list(dict.fromkeys(map(skill_text, skills)))
        vectors: dict[str, bytes] = {}
        if encoder is not None:
            try:
                vectors = await self._vectors_of(texts, encoder)
            except EngineError as error:
                note = f"agents are matched by their tags: {error}"
                self.notes += [note] if note not in self.notes else []
        name = encoder.id if encoder is not None and vectors else None
        records = (capability(one.manifest, one.description, vectors, name) for one in agents)
        self.capabilities = self.self_tests.added(records, self.agents)

    def leave_out(self, names: Iterable[str], reason: str) -> None:
        """Say why agents are not hosted; in the log only what it did not say before."""
        fresh = tuple(name for name in names if self.left_out.get(name) != reason)
        self.left_out |= dict.fromkeys(fresh, reason)
        if fresh:
            _log.warning("agent_not_hosted", agent=" ".join(fresh), reason=reason)

    def leave_out_for_now(self, server: Awaited, reason: str) -> None:
        self.leave_out(server.names, f"{reason}; it is asked again until it answers")

    def admit(self, server: Awaited, description: Description) -> None:
        """The agents of a server that answered live here from now on."""
        for manifest in server.manifests:
            self.agents[manifest.name] = HostedAgent(manifest, server.engine, description)
            self.left_out.pop(manifest.name, None)

    async def _vectors_of(self, texts: list[str], encoder: LateEncoder) -> dict[str, bytes]:
        model = encoder.fingerprint
        known = self.vectors.find(model, texts)
        missing = [text for text in texts if text not in known]
        if missing:
            known |= zip(missing, await encoder.encode(missing), strict=True)
        if missing or not self.vectors.kept:
            self.vectors.keep(model, known)
        return known


def engine_spec(manifest: AgentManifest, machine: EngineSettings) -> EngineSpec:
    """What a manifest asks for, as overridden by this machine's settings. Raises `ManifestError`
    when the key that its server needs is not in the environment.
    """
    wanted = manifest.engine
    kind = machine.kind if machine.kind != "auto" else wanted.kind
    return EngineSpec(
        kind=kind,
        model=machine.model or wanted.model,
        url=machine.url or wanted.url,
        context_tokens=manifest.limits.context_tokens,
        nodes_on_machine=machine.nodes_on_machine,
        adapter=manifest.path.parent / wanted.adapter if wanted.adapter else None,
        api_key=_key_for(manifest, machine),
    )


def _key_for(manifest: AgentManifest, machine: EngineSettings) -> str | None:
    own_url = manifest.engine.url
    if machine.url is None:
        return secret(manifest) if own_url is not None else None
    if machine.api_key:
        return machine.api_key.get_secret_value()
    return secret(manifest) if own_url in (None, machine.url) else None


async def move_in(household: Household, settings: NodeSettings, stack: AsyncExitStack) -> None:
    """Open an engine for every manifest that can have one, all at once: the slowest decides how
    long the node takes to be ready. Engines close with `stack`.

    Raises `ManifestError` for a manifest that does not validate, and `ConfigError` where the
    machine's settings name a model for all that nobody knows.
    """
    manifests = find_manifests(settings.agents)
    specs: dict[str, EngineSpec] = {}
    for manifest in manifests:
        try:
            specs[manifest.name] = engine_spec(manifest, settings.engine)
        except ManifestError as error:
            household.leave_out((manifest.name,), str(error))
    _refuse_unknown(settings.engine, specs.values())
    servers: dict[_Served, list[AgentManifest]] = {}
    for manifest in manifests:
        spec = specs.get(manifest.name)
        if spec is not None and (served := _served(household, manifest.name, spec)) is not None:
            servers.setdefault(served, []).append(manifest)
    opened: dict[str, tuple[Engine, Description]] = {}

    async def open_one(kind: Kind, same: Sequence[AgentManifest]) -> None:
        wait = _meet if specs[same[0].name].url is not None else _open
        opened.update(await wait(kind, same, specs, household, stack))

    async with trio.open_nursery() as nursery:
        for (kind, *_), same in servers.items():
            nursery.start_soon(open_one, kind, same)
    for manifest in manifests:
        found = opened.get(manifest.name)
        if found is not None:
            household.agents[manifest.name] = HostedAgent(manifest, *found)


_Served = tuple[Kind, str | None, str | None, str | None]


def _served(household: Household, name: str, spec: EngineSpec) -> _Served | None:
    """What agents share a server by: its kind as it was chosen for one of ours, model, URL and key.
    A vLLM of ours serves a model and all its adapters. None for an agent whose adapter can't be
    served: it is left out alone.
    """
    choice = explain_choice(spec)
    if spec.adapter is not None and not choice.usable:
        household.leave_out((name,), choice.reasons[-1])
        return None
    kind = choice.kind if spec.url is None else spec.kind
    return kind, spec.model, spec.url, spec.api_key


def _widest(spec: EngineSpec, same: Sequence[AgentManifest]) -> EngineSpec:
    """The spec with the largest context that any agent of the same engine asks for, and for a
    server of somebody else with the most steps at once that any takes on. (The slots of a server
    of ours are bounded by memory, not by wishes.)
    """
    contexts = [other.limits.context_tokens for other in same]
    steps = [other.limits.concurrency for other in same] if spec.url else []
    return replace(
        spec,
        context_tokens=max((one for one in contexts if one is not None), default=None),
        concurrency=max((one for one in steps if one is not None), default=None),
    )


async def _meet(
    kind: Kind,
    same: Sequence[AgentManifest],
    specs: Mapping[str, EngineSpec],
    household: Household,
    stack: AsyncExitStack,
) -> dict[str, tuple[Engine, Description]]:
    """Ask a server at a URL what it is; the way to it for each of its agents. One that does not
    answer in a moment is asked again when the node is up.
    """
    names = [one.name for one in same]
    spec = replace(specs[names[0]], kind=kind)
    choice = explain_choice(spec)
    if not choice.usable:
        household.leave_out(names, choice.reasons[-1])
        return {}
    widest = _widest(spec, same)
    engine = await stack.enter_async_context(open_engine(widest))
    notes = household.notes_of_servers.bounded(widest.concurrency)
    server = Awaited(engine, tuple(same), notes)
    try:
        described = await server.described(limits.SERVER_WAIT_S)
    except SymphonyError as error:
        household.awaited.append(server)
        household.leave_out_for_now(server, str(error))
        return {}
    return dict.fromkeys(names, (engine, described))


def _refuse_unknown(machine: EngineSettings, specs: Iterable[EngineSpec]) -> None:
    """A name that somebody gave for all models here, and that nothing on this machine can mean, is
    a mistake to tell at once. What a server at a URL calls its models, only that server knows.
    """
    name = machine.model
    asked = [spec for spec in specs if spec.url is None]
    if name is None or any(explain_choice(spec).usable for spec in asked):
        return
    if any(spec.kind in ("auto", "llamacpp") for spec in asked) and not Path(name).exists():
        try:
            find_model(name)
        except ModelError as error:
            raise ConfigError(f"engine.model: {error.message}", hint=error.hint) from None


async def _open(
    kind: Kind,
    same: Sequence[AgentManifest],
    specs: Mapping[str, EngineSpec],
    household: Household,
    stack: AsyncExitStack,
) -> dict[str, tuple[Engine, Description]]:
    """Open the one server of these agents; the way to it for each of them, by its name.

    A server that does not start with its adapters is tried without: an adapter that is not one of
    this model must not cost the agents of the model itself their place.
    """
    name = same[0].name
    adapters = {one.name: folder for one in same if (folder := specs[one.name].adapter) is not None}
    spec = replace(specs[name], kind=kind, adapter=None, beside=tuple(adapters.values()))
    choice = explain_choice(spec)
    if not choice.usable:
        household.leave_out((name,), choice.reasons[-1])
        return {}
    try:
        engine = await stack.enter_async_context(open_engine(_widest(spec, same)))
        ways = {one.name: _way(engine, adapters.get(one.name)) for one in same}
        return {agent: (way, await way.describe()) for agent, way in ways.items()}
    except SymphonyError as error:
        household.leave_out(adapters or (name,), str(error))
    plain = [one for one in same if one.name not in adapters]
    if not adapters or not plain:
        return {}
    return await _open(kind, plain, specs, household, stack)


def _way(engine: Engine, adapter: Path | None) -> Engine:
    if adapter is None:
        return engine
    assert isinstance(engine, VllmEngine)
    return engine.adapted(adapter)
