"""Which engine is chosen, and whether the explanation says what really happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from symphony.engines import EngineSpec, explain_choice, models, open_engine, registry, vllm
from symphony.engines.converting import folder_of, weights_for_vllm
from symphony.engines.vllm_server import VllmOptions, _orders
from symphony.errors import ConfigError, EngineUnavailable, ModelError

from .conftest import EchoServer, ask, run


async def test_auto_takes_a_configured_url_first(echo: EchoServer):
    spec = EngineSpec(url=echo.url, model="echo")
    assert explain_choice(spec).kind == "openai"
    async with open_engine(spec) as engine:
        assert (await run(engine, ask()))[0] == "three blind mice"
        assert (await engine.describe()).engine == "openai"


@pytest.mark.real
async def test_auto_falls_to_the_embedded_engine(smollm2: Path):
    del smollm2
    choice = explain_choice(EngineSpec(model="SmolLM2-135M-Instruct"))
    assert (choice.kind, choice.usable) == ("llamacpp", True)
    spec = EngineSpec(model="SmolLM2-135M-Instruct", concurrency=1, context_tokens=1 << 20)
    async with open_engine(spec) as engine:
        found = await engine.describe()
        assert (found.model, found.lineage) == ("smollm2-135m", "smollm2")
        assert found.context_tokens == 8192, "no more than the model was trained for"
        assert (await run(engine, ask(max_tokens=2)))[1].completion_tokens == 2


async def test_vllm_is_attached_by_url(echo: EchoServer):
    async with open_engine(EngineSpec("vllm", model="echo", url=echo.url)) as engine:
        assert (await engine.health()).ok
        assert (await engine.describe()).context_tokens == 8192
        assert (await run(engine, ask()))[1].engine == "vllm"


async def test_a_server_needs_its_url():
    spec = EngineSpec("openai")
    choice = explain_choice(spec)
    assert not choice.usable
    with pytest.raises(ConfigError, match="URL"):
        async with open_engine(spec):
            pass


async def test_a_missing_model_is_told_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(models.ENV_MODELS, str(tmp_path))
    choice = explain_choice(EngineSpec())
    assert not choice.usable
    assert "symphony model pull smollm2-135m" in choice.reasons[-1]
    with pytest.raises(ModelError):
        async with open_engine(EngineSpec()):
            pass


@pytest.mark.real
async def test_an_encoder_writes_no_text(minilm: Path):
    del minilm
    with pytest.raises(ModelError, match="embeddings"):
        async with open_engine(EngineSpec("llamacpp", model="minilm")):
            pass


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders for models and engines, and no vLLM beside the interpreter."""
    monkeypatch.setenv(models.ENV_MODELS, str(tmp_path))
    monkeypatch.setenv(vllm.ENV_ENGINES, str(tmp_path / "engines"))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    return tmp_path


async def test_vllm_that_is_not_here_is_told_with_the_next_step(shelf: Path):
    choice = explain_choice(EngineSpec("vllm", model="qwen2.5-7b"))
    assert (choice.kind, choice.usable) == ("vllm", False)
    assert "symphony engine install vllm" in choice.reasons[-1]
    with pytest.raises(EngineUnavailable, match="not installed"):
        async with open_engine(EngineSpec("vllm", model="qwen2.5-7b")):
            pass


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("qwen2.5-7b", "vllm", "it serves qwen2.5-7b from Qwen/Qwen2.5-7B-Instruct"),
        ("smollm2-135m", "llamacpp", "symphony model pull smollm2-135m"),
    ],
)
def test_auto_takes_vllm_on_a_gpu_where_it_can_serve_the_model(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, model: str, kind: str, words: str
):
    monkeypatch.setattr(vllm, "gpu", lambda: "CUDA")
    (vllm.environment()).mkdir(parents=True)
    (vllm.environment() / vllm.MARKER).write_text('{"version": "0.32", "cpu": false}')
    choice = explain_choice(EngineSpec(model=model))
    assert choice.kind == kind
    assert words in choice.reasons[-1]


def test_what_vllm_is_given(shelf: Path):
    assert weights_for_vllm("qwen2.5-7b") == "Qwen/Qwen2.5-7B-Instruct"
    assert weights_for_vllm("somebody/their-model") == "somebody/their-model"
    with pytest.raises(ModelError, match="symphony model convert smollm2-135m"):
        weights_for_vllm("smollm2-135m")
    folder = folder_of("smollm2-135m")
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert weights_for_vllm("SmolLM2-135M-Instruct") == str(folder)
    with pytest.raises(ModelError, match="can't serve"):
        weights_for_vllm("minilm-l6-int8")


def test_a_folder_never_stands_in_for_a_model_of_the_catalogue(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
):
    here = shelf / "here"
    for name in ("smollm2-135m", "their-model", "Qwen/Qwen2.5-7B-Instruct", "some/folder"):
        (here / name).mkdir(parents=True)
    monkeypatch.chdir(here)
    with pytest.raises(ModelError, match="symphony model convert smollm2-135m"):
        weights_for_vllm("smollm2-135m")
    for name in ("their-model", "qwen2.5-7b"):
        with pytest.raises(ModelError, match="a name of the hub, and") as caught:
            weights_for_vllm(name)
        assert str(here) in caught.value.hint
    for name in ("./smollm2-135m", "some/folder", str(here / "their-model")):
        assert weights_for_vllm(name) == str(here / name)


OPTION = "--tool-parser-plugin=/x.py"


@pytest.mark.parametrize("name", [OPTION, "-O3", "somebody/--tool-parser-plugin=x.py"])
def test_a_name_is_no_option_of_vllm(shelf: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    del shelf
    monkeypatch.setattr(vllm, "command", lambda: "vllm")
    choice = explain_choice(EngineSpec("vllm", model=name))
    assert not choice.usable
    assert "would be an option" in choice.reasons[-1]
    with pytest.raises(ModelError, match="would be an option"):
        registry._vllm_options(EngineSpec("vllm", model=name))


@pytest.mark.parametrize(
    "changed", [{"weights": OPTION}, {"model": OPTION}, {"adapters": {OPTION: Path("x")}}]
)
def test_no_option_gets_into_the_command_of_vllm(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
):
    monkeypatch.setattr(vllm, "command", lambda: "vllm")
    good = VllmOptions("somebody/their-model", "their-model", "unknown")
    command = _orders(good, "key")["command"]
    assert command[:3] == ["vllm", "serve", "somebody/their-model"]
    assert '"disable_any_whitespace": true' in " ".join(command)
    with pytest.raises(ModelError, match="would be an option"):
        _orders(replace(good, **changed), "key")


def test_a_key_is_not_shown():
    assert "secret" not in repr(EngineSpec(api_key="secret"))


def test_an_adapter_needs_a_vllm_of_ours_and_safe_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, weights = tmp_path / "poet", tmp_path / "weights"
    folder.mkdir()
    weights.mkdir()
    monkeypatch.setattr(vllm, "command", lambda: "vllm")
    spec = EngineSpec(kind="vllm", model=str(weights), adapter=folder)
    (folder / "adapter_config.json").write_text('{"r": 8}')
    (folder / "adapter_model.bin").write_bytes(b"a pickle")
    assert "adapter_model.safetensors" in explain_choice(spec).reasons[-1]
    (folder / "adapter_model.safetensors").write_bytes(b"")
    assert explain_choice(spec).usable
    assert explain_choice(replace(spec, kind="auto")).kind == "vllm", "not llama.cpp without it"
    for other in (replace(spec, kind="llamacpp"), replace(spec, url="http://127.0.0.1:1")):
        assert not explain_choice(other).usable
        assert not explain_choice(replace(other, adapter=None, beside=(folder,))).usable
    options = registry._vllm_options(spec)
    assert (options.model, options.adapters) == ("weights", {"weights:poet": folder})
