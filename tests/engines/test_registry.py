"""Which engine is chosen, and whether the explanation says what really happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from symphony.engines import EngineSpec, explain_choice, models, open_engine, vllm
from symphony.errors import ConfigError, ModelError

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


@pytest.mark.parametrize("kind", ["vllm", "openai"])
async def test_a_server_needs_its_url(kind: str):
    spec = EngineSpec(kind)  # type: ignore[arg-type]
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


@pytest.mark.parametrize(
    ("gpu", "installed", "words"),
    [
        (None, True, "no CUDA or ROCm GPU"),
        ("ROCm", False, "not vLLM"),
        ("CUDA", True, "vllm serve"),
    ],
)
def test_the_explanation_speaks_of_gpus(
    monkeypatch: pytest.MonkeyPatch, gpu: str | None, installed: bool, words: str
):
    monkeypatch.setattr(vllm, "gpu", lambda: gpu)
    monkeypatch.setattr(vllm, "installed", lambda: installed)
    assert words in explain_choice(EngineSpec()).reasons[0]


def test_a_key_is_not_shown():
    assert "secret" not in repr(EngineSpec(api_key="secret"))
