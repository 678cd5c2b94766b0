"""Converting a model for vLLM: alone, whole or not at all, and gone with its model.

vLLM's interpreter is a small script here; `tests/engines/test_vllm.py` has the real one.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from symphony.engines import converting, limits, models, vllm
from symphony.errors import EngineUnavailable, ModelError

from .test_models import WEIGHTS, leftovers, toy, use

MAKES = 'mkdir "$4"; cp "$3" "$4/weights"; echo {} > "$4/config.json"'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that was pulled, and a place for vLLM's environment."""
    monkeypatch.setenv(models.ENV_MODELS, str(tmp_path / "models"))
    monkeypatch.setenv(vllm.ENV_ENGINES, str(tmp_path / "engines"))
    use(monkeypatch, toy())
    (tmp_path / "models" / "toy").mkdir(parents=True)
    (tmp_path / "models" / "toy" / "toy.gguf").write_bytes(WEIGHTS)
    return tmp_path


def install(home: Path, *steps: str) -> None:
    """A vLLM whose interpreter notes that it was run, and does `steps`."""
    program = home / "engines" / "vllm" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("\n".join(["#!/bin/sh -e", f"echo run >> {home}/runs", *steps]))
    program.chmod(0o700)
    (home / "engines" / "vllm" / vllm.MARKER).write_text("{}")


def test_two_at_once_convert_once(home: Path):
    install(home, "sleep 0.2", MAKES)
    start, found = threading.Barrier(2), []

    def one() -> None:
        start.wait(10)
        found.append(converting.convert("toy"))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [converting.folder_of("toy")] * 2
    assert (found[0] / "weights").read_bytes() == WEIGHTS
    assert (home / "runs").read_text() == "run\n"
    assert sorted(leftovers()) == ["toy", "toy.hf"]


def test_what_a_killed_one_left_is_cleared_and_nothing_else(home: Path):
    install(home, MAKES)
    for name in (".toy.hf-dead", ".toy.pull-dead", ".toy.gone-dead", ".toy2.hf-busy"):
        (home / "models" / name / "made").mkdir(parents=True)
    converting.convert("toy")
    assert sorted(leftovers()) == [".toy2.hf-busy", "toy", "toy.hf"]


def test_a_failure_is_told_and_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(EngineUnavailable, match="environment"):
        converting.convert("toy")
    install(
        home,
        'mkdir "$4"',
        "printf 'no such\\377 family'",
        "test -e $0.slow || exit 3",
        "exec sleep 9",
    )
    with pytest.raises(ModelError, match=r"could not be converted: no such. family"):
        converting.convert("toy")
    (home / "engines" / "vllm" / "bin" / "python.slow").touch()
    monkeypatch.setattr(limits, "CONVERT_SECONDS", 0.1)
    with pytest.raises(ModelError, match="was not converted within"):
        converting.convert("toy")
    assert leftovers() == ["toy"]


def test_a_removed_model_is_served_by_nobody(home: Path):
    install(home, MAKES)
    converting.convert("toy")
    assert models.remove("toy")
    assert leftovers() == []
    with pytest.raises(ModelError, match="not here in the form that vLLM serves"):
        converting.weights_for_vllm("toy")
    (home / "models" / "toy.hf").mkdir()
    assert models.remove("toy"), "of what was converted there was something"
    assert not models.remove("toy")
