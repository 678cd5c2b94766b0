"""From manifests to agents that can work: finds them, opens their engines, writes their records.

Agents that name the same model share one engine. One whose engine can't be opened here (its
model is not pulled, its server is not configured) is left out with a warning that says what to
do; a node without any agent still submits, votes and keeps the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import structlog

from symphony.core.records import Capability
from symphony.engines.base import Description, Engine
from symphony.engines.embedding import Encoder
from symphony.engines.registry import EngineSpec, explain_choice, open_engine
from symphony.errors import SymphonyError
from symphony.manifests import AgentManifest, capability, find_manifests, secret, skill_text
from symphony.node.workshop import HostedAgent
from symphony.settings import EngineSettings, NodeSettings

_log = structlog.get_logger("symphony.hosting")


@dataclass(slots=True)
class Household:
    """The agents of a node, the records that announce them, and what could not be hosted."""

    agents: dict[str, HostedAgent] = field(default_factory=dict)
    capabilities: tuple[Capability, ...] = ()
    warnings: list[str] = field(default_factory=list)


def engine_spec(manifest: AgentManifest, machine: EngineSettings) -> EngineSpec:
    """What a manifest asks for, as overridden by this machine's settings."""
    wanted = manifest.engine
    kind = machine.kind if machine.kind != "auto" else wanted.kind
    key = machine.api_key.get_secret_value() if machine.api_key else secret(manifest)
    return EngineSpec(
        kind=kind,
        model=machine.model or wanted.model,
        url=machine.url or wanted.url,
        context_tokens=manifest.limits.context_tokens,
        nodes_on_machine=machine.nodes_on_machine,
        api_key=key,
    )


async def move_in(
    settings: NodeSettings, encoder: Encoder | None, stack: AsyncExitStack
) -> Household:
    """Open an engine for every manifest that can have one. Engines close with `stack`.

    Raises `ManifestError` for a manifest that does not validate.
    """
    household = Household()
    engines: dict[tuple[object, ...], tuple[Engine, Description] | None] = {}
    manifests = find_manifests(settings.agents)
    for manifest in manifests:
        spec = engine_spec(manifest, settings.engine)
        key = (spec.kind, spec.model, spec.url, spec.api_key)
        if key not in engines:
            widest = _widest(spec, manifests, settings.engine)
            engines[key] = await _open(widest, manifest.name, household, stack)
        opened = engines[key]
        if opened is not None:
            engine, description = opened
            household.agents[manifest.name] = HostedAgent(manifest, engine, description)
    household.capabilities = await _records(household.agents.values(), encoder)
    return household


def _widest(
    spec: EngineSpec, manifests: Iterable[AgentManifest], machine: EngineSettings
) -> EngineSpec:
    """The spec with the largest context that any agent of the same engine asks for."""
    same = [engine_spec(other, machine) for other in manifests]
    wanted = [
        other.context_tokens
        for other in same
        if (other.kind, other.model, other.url) == (spec.kind, spec.model, spec.url)
        and other.context_tokens is not None
    ]
    return replace(spec, context_tokens=max(wanted, default=None))


async def _open(
    spec: EngineSpec, name: str, household: Household, stack: AsyncExitStack
) -> tuple[Engine, Description] | None:
    choice = explain_choice(spec)
    if not choice.usable:
        reason = choice.reasons[-1]
        household.warnings.append(f"agent {name} is not hosted: {reason}")
        _log.warning("agent_not_hosted", agent=name, reason=reason)
        return None
    try:
        engine = await stack.enter_async_context(open_engine(spec))
        return engine, await engine.describe()
    except SymphonyError as error:
        household.warnings.append(f"agent {name} is not hosted: {error}")
        _log.warning("agent_not_hosted", agent=name, reason=str(error))
        return None


async def _records(
    agents: Iterable[HostedAgent], encoder: Encoder | None
) -> tuple[Capability, ...]:
    agents = list(agents)
    texts = list({skill_text(skill): None for agent in agents for skill in agent.manifest.skills})
    vectors: dict[str, bytes] = {}
    if encoder is not None and texts:
        vectors = dict(zip(texts, await encoder.encode(texts), strict=True))
    name = encoder.id if encoder is not None else None
    return tuple(capability(agent.manifest, agent.description, vectors, name) for agent in agents)
