"""`symphony doctor`: is everything there that this node needs? Each finding has its exact fix.

Every check is a small function that yields findings, and none of them changes anything or speaks to
anybody but the local gateway and the model servers that agents name by a URL: those are asked what
models they have, and for no text. `fail` means that the node will not run or an agent will
not be hosted; `warn` means that it will do less than it could.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from symphony.cli.options import ConfigOption, HomeOption, JsonOption, global_home
from symphony.cli.show import console, out_json, visible

if TYPE_CHECKING:
    from symphony.config import NodeSettings
    from symphony.engines.registry import EngineSpec
    from symphony.errors import SymphonyError
    from symphony.manifests import AgentManifest


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` is what to type, empty where all is well."""

    check: str
    verdict: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


def doctor(
    home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Check this machine: home, key, swarm, agents, engines, models, gateway. Exits 1 on a fail."""
    from symphony.config import load_settings

    settings = load_settings(home=home or global_home(), config=config).settings
    findings = [finding for check in CHECKS for finding in _guarded(check, settings)]
    failed = any(finding.verdict == "fail" for finding in findings)
    if as_json:
        out_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if failed:
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    from rich.text import Text

    screen = console()
    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        line = Text(f"{finding.verdict:<5}", style=styles[finding.verdict])
        line.append(
            f"{finding.check:<{width}}  {visible(finding.detail)}", style="not bold default"
        )
        screen.print(line, soft_wrap=True)
        if finding.fix:
            screen.print(Text(f"{'':<5}{'':<{width}}  fix: {visible(finding.fix)}"), soft_wrap=True)


def _guarded(
    check: Callable[[NodeSettings], Iterator[Finding]], settings: NodeSettings
) -> Iterator[Finding]:
    """A check that fails with one of our errors is a finding, not the end of the examination."""
    from ledger.errors import LedgerError
    from symphony.errors import SymphonyError

    try:
        yield from check(settings)
    except (SymphonyError, LedgerError) as error:
        name = check.__name__.strip("_")
        yield Finding(name, "fail", error.message, error.hint)


def _home(settings: NodeSettings) -> Iterator[Finding]:
    from symphony.config import DIR_MODE, check_private

    if not settings.home.exists():
        yield Finding("home", "fail", f"{settings.home} is not there", "symphony init")
        return
    check_private(settings.home, DIR_MODE)
    yield Finding("home", "ok", str(settings.home))


def _key(settings: NodeSettings) -> Iterator[Finding]:
    from ledger.keys import did_key
    from symphony.identity import load_identity

    public = load_identity(settings.home).public
    yield Finding("key", "ok", f"{public.hex()[:8]}, {did_key(public)}")


def _swarm(settings: NodeSettings) -> Iterator[Finding]:
    from symphony.identity import read_swarm

    swarm = read_swarm(settings.home)
    if swarm is None:
        yield Finding(
            "swarm", "warn", "this node belongs to no swarm", "symphony init, or symphony join -"
        )
        return
    rule = swarm.genesis.admission
    yield Finding("swarm", "ok", f"{swarm.genesis.name} ({swarm.swarm_id.hex()[:8]}), {rule}")


def _agents(settings: NodeSettings) -> Iterator[Finding]:
    """Each agent with the engine it would get, and why not if it would get none."""
    from symphony.engines.registry import explain_choice
    from symphony.errors import ManifestError
    from symphony.node.hosting import engine_spec

    manifests, broken = _manifests(settings)
    yield from broken
    specs: dict[str, EngineSpec] = {}
    for manifest in manifests:
        try:
            specs[manifest.name] = engine_spec(manifest, settings.engine)
        except ManifestError as error:
            yield Finding(f"agent {manifest.name}", "warn", error.message, error.hint)
    silent = _silent_servers(specs.values())
    hosted = 0
    for agent, spec in specs.items():
        name = f"agent {agent}"
        choice = explain_choice(spec)
        away = silent.get(_server(spec)) if choice.usable else None
        hosted += choice.usable and away is None
        if away is not None:
            yield Finding(name, "warn", away.message, away.hint)
        elif choice.usable:
            yield Finding(name, "ok", f"{spec.model} by {choice.kind}: {'; '.join(choice.reasons)}")
        else:
            yield Finding(name, "warn", "; ".join(choice.reasons), _engine_fix(spec))
    if not hosted:
        yield Finding(
            "agents",
            "fail",
            "not one agent can be hosted here: this node could ask, but not answer",
            "symphony model pull smollm2-135m",
        )


def _manifests(settings: NodeSettings) -> tuple[list[AgentManifest], list[Finding]]:
    """The agents that can be read, and a finding for each that can't: a node would not start."""
    from symphony.errors import ManifestError
    from symphony.manifests import find_manifests, load_manifest, manifest_files, shipped_agents

    try:
        return list(find_manifests(settings.agents)), []
    except ManifestError as whole:
        read: list[AgentManifest] = []
        broken: list[Finding] = []
        for place in settings.agents or (shipped_agents(),):
            try:
                files = manifest_files(place)
            except ManifestError as error:
                broken.append(Finding("agents", "fail", error.message, error.hint))
                continue
            for file in files:
                try:
                    read.append(load_manifest(file))
                except ManifestError as error:
                    broken.append(Finding("agents", "fail", error.message, error.hint))
        return read, broken or [Finding("agents", "fail", whole.message, whole.hint)]


def _server(spec: EngineSpec) -> tuple[str | None, str | None, str | None]:
    return spec.url, spec.model, spec.api_key


def _silent_servers(
    specs: Iterable[EngineSpec],
) -> dict[tuple[str | None, str | None, str | None], SymphonyError]:
    """The servers at URLs that do not answer, or do not have the model, all asked at once."""
    import trio

    from symphony.engines.openai import OpenAIEngine
    from symphony.engines.registry import explain_choice, open_engine
    from symphony.errors import EngineUnavailable, SymphonyError

    asked = {_server(spec): spec for spec in specs if spec.url and explain_choice(spec).usable}
    silent: dict[tuple[str | None, str | None, str | None], SymphonyError] = {}

    async def ask(spec: EngineSpec) -> None:
        try:
            async with open_engine(spec) as engine:
                assert isinstance(engine, OpenAIEngine)
                names = [str(entry["id"]) for entry in await engine.list_models()]
                if not names or spec.model not in (None, *names):
                    said = f"the server does not have the model {spec.model!r}"
                    has = f"it has: {', '.join(names[:5]) or 'none'}"
                    raise EngineUnavailable(said, hint=has)
        except SymphonyError as error:
            silent[_server(spec)] = error

    async def ask_all() -> None:
        async with trio.open_nursery() as nursery:
            for spec in asked.values():
                nursery.start_soon(ask, spec)

    if asked:
        trio.run(ask_all)
    return silent


def _engines(_: NodeSettings) -> Iterator[Finding]:
    """What could serve models here, and the memory that they would have."""
    from symphony.cli.show import gigabytes
    from symphony.engines import vllm
    from symphony.engines.llamacpp import missing_package
    from symphony.engines.machine import memory

    missing = missing_package()
    if missing is None:
        yield Finding("llamacpp", "ok", "llama.cpp is installed")
    else:
        yield Finding("llamacpp", "warn", missing, "pip install 'symphony-swarm[local]'")
    gpu, command = vllm.gpu(), vllm.command()
    if command is not None:
        yield Finding("vllm", "ok", f"vLLM is installed: {command}")
    elif gpu is None:
        yield Finding("vllm", "ok", "vLLM is not installed, and there is no GPU that wants it")
    else:
        detail = f"a {gpu} GPU is here, but not vLLM"
        yield Finding("vllm", "warn", detail, "symphony engine install vllm")
    machine = memory()
    free, total = gigabytes(machine.free_bytes), gigabytes(machine.total_bytes)
    yield Finding("memory", "ok", f"{free} of {total} are free")
    for at, one in enumerate(machine.gpus):
        used, total = gigabytes(one.used_bytes), gigabytes(one.total_bytes)
        yield Finding(f"gpu {at}", "ok", f"{one.name}: {used} of {total} are used")


def _engine_fix(spec: EngineSpec) -> str:
    """The command that makes an agent hostable."""
    from symphony.engines.catalog import lookup_model
    from symphony.engines.llamacpp import missing_package

    if spec.url is not None and spec.adapter is None:
        return "correct url and api_key: engine.… of this machine, or spec.engine.… of the agent"
    if missing_package() is not None and spec.url is None:
        return "pip install 'symphony-swarm[local]', or set engine.url to a running server"
    known = lookup_model(spec.model or "")
    if known is None:
        return "symphony model list, then correct spec.engine.model; or set engine.url"
    if known.files:
        return f"symphony model pull {known.name}"
    return f"symphony engine install vllm, or set engine.url to a server of {known.hub_repo}"


def _encoder(_: NodeSettings) -> Iterator[Finding]:
    from symphony.engines.embedding import MODEL, encoder_missing

    missing = encoder_missing()
    if missing is None:
        yield Finding("encoder", "ok", f"{MODEL} is here")
        return
    yield Finding(
        "encoder",
        "warn",
        f"skills are matched by their words only: {missing}",
        f"symphony model pull {MODEL}",
    )


def _network(settings: NodeSettings) -> Iterator[Finding]:
    """What this node would listen on, and whether somebody else could reach that."""
    addresses = ", ".join(settings.listen_addresses)
    if settings.preset == "local" and not settings.listen:
        yield Finding("network", "ok", f"listens on {addresses}: this machine only")
    else:
        yield Finding("network", "ok", f"listens on {addresses}")


def _gateway(settings: NodeSettings) -> Iterator[Finding]:
    from symphony.cli.door import connected, is_running
    from symphony.errors import ConnectionError as Unreachable

    if not is_running(settings.home):
        yield Finding("gateway", "ok", "no node is running here now (symphony join starts it)")
        return
    try:
        with connected(settings.home) as swarm:
            status = swarm.status()
    except Unreachable as error:
        stale = settings.home / "gateway.json"
        yield Finding(
            "gateway", "fail", error.message, f"if the node crashed: rm {stale}; symphony join"
        )
        return
    yield Finding("gateway", "ok", f"answers; {status['peers']} peers, {status['agents']} agents")


def _ledger(settings: NodeSettings) -> Iterator[Finding]:
    """Whether the ledger can be opened; `symphony ledger verify` is what checks its rows."""
    from ledger.sqlite import SqliteStore
    from symphony.cli.ledger import LEDGER_NAME
    from symphony.identity import read_swarm

    path: Path = settings.home / LEDGER_NAME
    swarm = read_swarm(settings.home)
    if swarm is None or not path.exists():
        return
    store = SqliteStore.open_readonly(path, swarm.swarm_id)
    try:
        heads = store.heads()
        yield Finding("ledger", "ok", f"{sum(h.seq for h in heads)} entries, {len(heads)} logs")
    finally:
        store.close()


CHECKS = (_home, _key, _swarm, _ledger, _engines, _agents, _encoder, _network, _gateway)
