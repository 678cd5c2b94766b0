"""The commands that docs/engines.md names, run as it says: engines held to their contract, models
hashed again.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.conftest import Run
from symphony.engines import models
from symphony.engines.catalog import find_model
from symphony.errors import ModelError
from symphony.testing.engine_contract import CHECKS
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
    gone = run("engine", "test", "openai", "--model", "echo", "--url", url)
    assert gone.code != 0
    assert "start the model server" in gone.err


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
