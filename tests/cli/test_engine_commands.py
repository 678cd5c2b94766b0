"""The commands that docs/engines.md names, run as it says: engines held to their contract, models
hashed again.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import trio

from cli.conftest import Run
from symphony.cli import examining
from symphony.engines import limits, models
from symphony.engines.catalog import find_model
from symphony.engines.registry import EngineSpec
from symphony.errors import ModelError
from symphony.testing import engine_contract
from symphony.testing.echo_server import Echo, serve
from symphony.testing.engine_contract import CHECKS
from symphony.testing.http_server import Asked, Streamed, Whole, serve_http
from symphony.testing.overhead import echo_server

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"
NAMED = re.compile(r"symphony ((?:engine|model|bench) [a-z]+|doctor|status|join)\b([^`\n]*)")


def test_every_command_of_the_page_exists_with_its_options(run: Run) -> None:
    named = NAMED.findall(PAGE.read_text())
    wanted = {command for command, _ in named}
    assert {"engine list", "engine test", "model verify", "doctor", "bench engines"} <= wanted
    for command, rest in named:
        shown = run(*command.split(), "--help")
        assert shown.code == 0, command
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in shown.out, (command, option)


def test_an_engine_is_held_to_its_contract(run: Run) -> None:
    with echo_server(1) as url:
        done = run("engine", "test", "openai", "--model", "echo", "--url", url, "--json")
        report = done.json()
        assert set(report["contract"]) == {check.__name__ for check in CHECKS}
        broken = {name: words for name, words in report["contract"].items() if words}
        # Its answers are short and come at once: nothing to cut, no time to leave. The rest holds.
        assert set(broken) == {"cuts", "lets_go"}, broken
        assert (done.code, report["ok"]) == (1, False)
        assert (report["engine"], report["model"]) == ("openai", "echo")
        assert report["measured"]["one_tokens_per_s"] > 0
        assert report["contract"]["survives_its_server"] is None, "it was not killed"
        assert set(report["not_looked_at"]) == {"survives_its_server"}
        assert "somebody else's" in report["not_looked_at"]["survives_its_server"]
        assert report["contract"]["knows_its_model"] == ""
        assert report["contract"]["refuses_more_than_it_holds"] == ""
        shown = run("engine", "test", "openai", "--model", "echo", "--url", url)
        assert re.search(r"survives_its_server +not looked at: its server is somebody", shown.out)
    gone = run("engine", "test", "openai", "--model", "echo", "--url", url)
    assert gone.code != 0
    assert "start the model server" in gone.err


async def test_a_server_that_never_answers_a_chat_is_told_in_one_report(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "ANSWER_MS", 200)

    async def answer(asked: Asked) -> Whole | Streamed:
        if asked.method == "POST":
            await trio.sleep_forever()
        return Whole.of({"data": [{"id": "m"}]})

    url: str = await nursery.start(partial(serve_http, answer, host="127.0.0.1", port=0))
    with trio.fail_after(20):
        report = await examining.examined(EngineSpec("vllm", url=url))
    assert not report["ok"]
    assert "did not finish" in report["error"]
    assert set(report["contract"].values()) == {None}
    assert set(report["not_looked_at"]) == set(report["contract"])
    assert set(report["not_looked_at"].values()) == {"it gave no first answer"}
    nursery.cancel_scope.cancel()


async def test_an_engine_that_holds_without_end_keeps_no_promise(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_contract, "SOON_S", 1.0)
    monkeypatch.setattr(examining, "CHECKS", (engine_contract.refuses_more_than_it_holds,))
    monkeypatch.setattr(limits, "WAITING_PER_SLOT", 10**9)
    url: str = await nursery.start(partial(serve, Echo(latency_ms=500)))
    report = await examining.examined(EngineSpec("openai", model="echo", url=url))
    assert report["contract"]["refuses_more_than_it_holds"].startswith("no: ")
    assert not report["not_looked_at"]
    nursery.cancel_scope.cancel()


def test_a_model_is_hashed_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "minilm-l6-int8"
    try:
        here = models.path(name).parent
    except ModelError as error:
        pytest.skip(str(error))
    mine = tmp_path / "models" / name
    mine.mkdir(parents=True)
    for file in find_model(name).files:
        (mine / file.name).write_bytes((here / file.name).read_bytes())
    monkeypatch.setenv("SYMPHONY_MODELS", str(tmp_path / "models"))
    done = run("model", "verify", name)
    assert (done.code, done.out) == (0, f"ok: {name}\n")
    vocabulary = mine / "vocab.txt"
    vocabulary.write_bytes(b"?" + vocabulary.read_bytes()[1:])
    done = run("model", "verify", name)
    assert done.code == 1
    assert "vocab.txt has the hash" in done.err
    assert not vocabulary.exists(), "what is not what it should be is not kept"
