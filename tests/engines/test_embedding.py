"""The encoder and its tokenizer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.engines import limits, models
from symphony.engines.embedding import (
    VECTOR_BYTES,
    Encoder,
    encoder_missing,
    open_encoder,
    similarity,
)
from symphony.engines.wordpiece import WordPiece
from symphony.errors import EngineError
from symphony.testing.matching import measure_matching

# Made once with the `tokenizers` package 0.22.1 and the model's own tokenizer.json.
FROZEN = json.loads(Path(__file__).with_name("wordpiece_ids.json").read_text())

SKILLS = {
    "math": "arithmetic, sums, word problems with numbers",
    "translation": "translating text from one language to another",
    "medicine": "symptoms, illnesses and their treatment",
}
NEEDS = {
    "How many apples are left when Tom eats three of nine?": "math",
    "Put this letter into Portuguese.": "translation",
    "Which pills help against a headache and a cough?": "medicine",
}


@pytest.mark.real
@pytest.mark.parametrize(("text", "ids"), FROZEN)
def test_the_tokenizer_is_the_reference(minilm: Path, text: str, ids: list[int]):
    assert WordPiece(minilm.with_name("vocab.txt")).ids(text) == ids


@pytest.mark.real
def test_the_tokenizer_is_bounded(minilm: Path):
    pieces = WordPiece(minilm.with_name("vocab.txt"))
    assert len(pieces.ids("word " * 100_000)) == limits.ENCODE_TOKENS


@pytest.mark.real
async def test_needs_find_their_skills(minilm: Path):
    del minilm
    encoder = await open_encoder()
    assert encoder is not None
    skills = dict(zip(SKILLS, await encoder.encode(list(SKILLS.values())), strict=True))
    for need, wanted in NEEDS.items():
        (vector,) = await encoder.encode([need])
        assert len(vector) == VECTOR_BYTES
        assert max(map(abs, memoryview(vector).cast("b"))) == 127
        assert max(skills, key=lambda name: similarity(vector, skills[name])) == wanted


@pytest.mark.real
def test_meaning_finds_what_words_do_not(minilm: Path):
    """What `symphony bench matching` measures: 24 needs, as people say them, and 12 agents."""
    del minilm
    found = measure_matching()
    assert (found["agents"], found["needs"]) == (12, 24)
    assert found["minilm"]["top_1"] >= 20
    assert found["bm25"]["top_1"] <= found["minilm"]["top_1"] - 10


@pytest.mark.real
async def test_a_vector_does_not_depend_on_its_company(minilm: Path):
    encoder = Encoder(minilm)
    texts = [*NEEDS, "", "x", "word " * 500]
    together = await encoder.encode(texts)
    for text, vector in zip(texts, together, strict=True):
        (alone,) = await encoder.encode([text])
        assert similarity(alone, vector) > 0.999


@pytest.mark.real
async def test_the_encoder_is_bounded(minilm: Path):
    encoder = Encoder(minilm)
    assert await encoder.encode([]) == []
    with pytest.raises(EngineError):
        await encoder.encode(["x"] * (limits.ENCODE_TEXTS + 1))


async def test_without_its_model_there_is_no_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(models.ENV_MODELS, str(tmp_path))
    assert await open_encoder() is None
    assert "symphony model pull minilm-l6-int8" in str(encoder_missing())


vectors = st.lists(st.integers(-127, 127), min_size=8, max_size=8).map(
    lambda values: bytes(value % 256 for value in values)
)


@given(vectors, vectors)
def test_similarity_is_a_cosine(one: bytes, other: bytes):
    found = similarity(one, other)
    assert -1.000001 <= found <= 1.000001
    assert found == similarity(other, one)
    if any(one):
        assert similarity(one, one) == pytest.approx(1.0)
        opposite = bytes(-value % 256 for value in one)
        assert similarity(one, opposite) == pytest.approx(-1.0)


def test_vectors_of_different_lengths_do_not_compare():
    with pytest.raises(ValueError, match="lengths"):
        similarity(b"ab", b"abc")


@pytest.mark.real
def test_the_runtime_gathers_nothing_about_its_user(minilm: Path, tmp_path: Path):
    code = (
        "import sys, pathlib; from symphony.engines.embedding import Encoder;"
        "Encoder(pathlib.Path(sys.argv[1]))._encode(['a']); sys.modules['onnxruntime']"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ORT_")}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code, str(minilm)], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))
