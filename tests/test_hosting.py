"""Which agents a node hosts, and which server gets which key."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from pydantic import SecretStr

from symphony.engines.base import Description
from symphony.engines.openai import OpenAIEngine
from symphony.engines.registry import EngineSpec, open_engine
from symphony.errors import ManifestError
from symphony.manifests import AgentManifest, load_manifest
from symphony.node import limits, server_notes
from symphony.node.awaited import Awaited, ask_again
from symphony.node.hosting import Household, engine_spec, move_in
from symphony.settings import EngineSettings, NodeSettings
from symphony.testing.echo_server import Echo, serve
from symphony.testing.http_server import Asked, Streamed, Whole, serve_http

MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: {name}}}
spec:
  skills: [{{name: echo, description: "answers"}}]
  engine: {{kind: auto, model: echo{more}}}
  instructions: prompt.md
"""
HERE, THERE = "http://127.0.0.1:1", "http://10.0.0.9:2"
KEY = ', api_key: "${env:A_KEY}"'


def agent(folder: Path, name: str, more: str) -> AgentManifest:
    (folder / name).mkdir()
    (folder / name / "agent.yaml").write_text(MANIFEST.format(name=name, more=more))
    (folder / name / "prompt.md").write_text("Answer.\n")
    return load_manifest(folder / name)


@pytest.mark.parametrize(
    ("more", "url", "key", "goes"),
    [
        (f', url: "{THERE}"', None, "machine", (THERE, None)),
        (f', url: "{THERE}"{KEY}', None, "machine", (THERE, "manifest")),
        (f', url: "{THERE}"{KEY}', HERE, "machine", (HERE, "machine")),
        (f', url: "{THERE}"{KEY}', HERE, None, (HERE, None)),
        (f', url: "{HERE}"{KEY}', HERE, None, (HERE, "manifest")),
        (KEY, HERE, None, (HERE, "manifest")),
        (KEY, HERE, "machine", (HERE, "machine")),
        (KEY, None, "machine", (None, None)),
        ("", HERE, "machine", (HERE, "machine")),
    ],
)
def test_a_key_goes_with_its_address(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: str,
    url: str | None,
    key: str | None,
    goes: tuple[str | None, str | None],
):
    monkeypatch.setenv("A_KEY", "manifest")
    machine = EngineSettings(url=url, api_key=SecretStr(key) if key else None)
    spec = engine_spec(agent(tmp_path, "solver", more), machine)
    assert (spec.url, spec.api_key) == goes


async def test_the_environment_gives_no_key_to_an_address_of_somebody_else(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("SYMPHONY_ENGINE_API_KEY", "machine")
    async with open_engine(EngineSpec("openai", model="m", url=THERE)) as engine:
        assert isinstance(engine, OpenAIEngine)
        assert "authorization" not in engine._client.headers


async def test_an_agent_that_cannot_be_hosted_costs_the_node_nothing(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("A_KEY", raising=False)
    monkeypatch.setenv("B_KEY", "schlüssel")
    url = await nursery.start(partial(serve, Echo(latency_ms=0)))
    folder = tmp_path / "agents"
    folder.mkdir()
    bad = {
        "port": ', url: "http://me:pw@localhost:80a0"',
        "bracket": ', url: "http://[::1"',
        "unset": f', url: "{url}"{KEY}',
        "foreign": f', url: "{url}", api_key: "${{env:B_KEY}}"',
    }
    for name, more in {"good": f', url: "{url}"', **bad}.items():
        agent(folder, name, more)
    with pytest.raises(ManifestError, match="A_KEY is not set"):
        engine_spec(load_manifest(folder / "unset"), EngineSettings())
    settings = NodeSettings(home=tmp_path, agents=(folder,))
    household = Household.of(settings)
    async with AsyncExitStack() as stack:
        with trio.fail_after(20):
            await move_in(household, settings, stack)
        assert set(household.agents) == {"good"}
    told = "\n".join(household.warnings)
    assert len(household.warnings) == len(bad)
    assert all(f"agent {name} is not hosted: " in told for name in bad)
    assert "pw" not in told
    assert "schl" not in told
    nursery.cancel_scope.cancel()


async def test_a_server_that_hangs_holds_nobody_up_and_is_asked_until_it_answers(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "SERVER_WAIT_S", 0.2)
    monkeypatch.setattr(limits, "SERVER_LATER_S", 0.2)
    monkeypatch.setattr(limits, "SERVER_PAUSE_S", 0.01)
    echo, well = Echo(latency_ms=0), trio.Event()

    async def answer(asked: Asked) -> Whole | Streamed:
        if asked.method == "POST":
            await well.wait()
        return await echo.handle(asked)

    url: str = await nursery.start(partial(serve_http, answer, host="127.0.0.1", port=0))
    agent(tmp_path, "solver", f', url: "{url}"')
    settings = NodeSettings(home=tmp_path, agents=(tmp_path / "solver",))
    household = Household.of(settings)
    reasons: list[str] = []

    async def arrived(server: Awaited, described: Description) -> None:
        household.admit(server, described)

    def failed(server: Awaited, reason: str) -> None:
        household.leave_out_for_now(server, reason)
        reasons.append(reason)
        well.set()

    async with AsyncExitStack() as stack:
        with trio.fail_after(20):
            await move_in(household, settings, stack)
            assert not household.agents
            assert "did not say in 0 s what it can do" in household.left_out["solver"]
            await ask_again(household.awaited, arrived, failed)
        assert len(reasons) >= 1
        assert household.agents["solver"].description.model == "echo"
        assert not household.warnings
    nursery.cancel_scope.cancel()


async def test_a_start_within_the_day_asks_a_server_for_no_text(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
):
    echo, running, most, asked = Echo(latency_ms=0), 0, 0, 0

    async def answer(question: Asked) -> Whole | Streamed:
        nonlocal running, most, asked
        if question.method == "GET":
            return await echo.handle(question)
        running, asked = running + 1, asked + 1
        most = max(most, running)
        try:
            await trio.testing.wait_all_tasks_blocked()
            return await echo.handle(question)
        finally:
            running -= 1

    url: str = await nursery.start(partial(serve_http, answer, host="127.0.0.1", port=0))
    agent(tmp_path, "solver", f', url: "{url.replace("//", "//me:pw@")}"')
    file = tmp_path / "solver" / "agent.yaml"
    file.write_text(file.read_text() + "  limits: {concurrency: 2}\n")
    settings = NodeSettings(home=tmp_path, agents=(tmp_path / "solver",))

    async def started() -> Description:
        household = Household.of(settings)
        async with AsyncExitStack() as stack:
            await move_in(household, settings, stack)
            return household.agents["solver"].description

    first = await started()
    assert (asked, most) == (7, 2), "no more at once than the agent takes"
    assert await started() == first
    assert asked == 7
    kept = tmp_path / server_notes.FILE
    assert "pw" not in kept.read_text()
    for junk in (b"", b"[1]", b'{"a": 1}', kept.read_bytes().replace(b"json_schema", b"nonsense")):
        kept.write_bytes(junk)
        before = asked
        assert await started() == first
        assert asked == before + 7
    monkeypatch.setattr(limits, "SERVER_NOTE_S", 0)
    assert await started() == first
    assert asked == 7 * 6
    nursery.cancel_scope.cancel()
