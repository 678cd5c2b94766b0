"""Skill vectors are kept for the next start, and never trusted further than they were made."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from symphony.engines.embedding import VECTOR_BYTES, LateEncoder
from symphony.errors import EngineError
from symphony.manifests import load_manifest
from symphony.node import limits
from symphony.node.hosting import Household
from symphony.node.self_test import SelfTests
from symphony.node.server_notes import ServerNotes
from symphony.node.skill_vectors import FILE, SkillVectors
from symphony.node.workshop import HostedAgent
from symphony.testing.echo import EchoEngine

MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: solver}}
spec:
  skills: [{{name: sums, description: "adds"}}, {{name: words, description: "{words}"}}]
  engine: {{kind: llamacpp, model: echo}}
  instructions: prompt.md
"""


def vector(text: str) -> bytes:
    return (text.encode() * VECTOR_BYTES)[:VECTOR_BYTES]


class Counting(LateEncoder):
    """An encoder with no model behind it, that notes what it was asked for."""

    def __init__(self, weights: Path, *, broken: bool = False) -> None:
        super().__init__(weights)
        self.asked: list[str] = []
        self._broken = broken

    async def encode(self, texts: Sequence[str]) -> list[bytes]:
        if self._broken:
            raise EngineError("the encoder can't be loaded")
        self.asked += texts
        return [vector(text) for text in texts]


async def start(home: Path, encoder: LateEncoder | None, words: str = "finds words") -> Household:
    (home / "agent.yaml").write_text(MANIFEST.format(words=words))
    (home / "prompt.md").write_text("Answer.\n")
    household = Household(SelfTests(home), SkillVectors(home), ServerNotes(home))
    engine = EchoEngine()
    agent = HostedAgent(load_manifest(home), engine, await engine.describe())
    household.agents["solver"] = agent
    await household.describe(encoder)
    return household


async def test_only_what_is_new_is_encoded(tmp_path: Path) -> None:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(b"one model")
    first, again, changed, replaced = (Counting(weights) for _ in range(4))
    before = await start(tmp_path, first)
    assert first.asked == ["sums: adds", "words: finds words"]
    after = await start(tmp_path, again)
    assert not again.asked
    assert after.capabilities == before.capabilities
    (record,) = after.capabilities
    assert [skill.vector for skill in record.skills] == [vector(text) for text in first.asked]
    await start(tmp_path, changed, words="finds rhymes")
    assert changed.asked == ["words: finds rhymes"]
    weights.write_bytes(b"another model")
    await start(tmp_path, replaced, words="finds rhymes")
    assert len(replaced.asked) == 2


async def test_a_broken_encoder_costs_the_vectors_and_not_the_node(tmp_path: Path) -> None:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(b"")
    household = await start(tmp_path, Counting(weights, broken=True))
    (record,) = household.capabilities
    assert (record.encoder, record.skills[0].vector) == (None, None)
    assert "matched by their tags" in household.warnings[0]
    with pytest.raises(EngineError, match="can't be loaded"):
        await LateEncoder(weights).load()


def test_what_was_tampered_with_or_is_of_another_model_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = SkillVectors(tmp_path)
    assert not shelf.kept
    assert shelf.find("m", ["a"]) == {}
    shelf.keep("m", {"a": vector("a"), "b": vector("b")})
    file = tmp_path / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [FILE]
    assert shelf.find("m", ["a", "c"]) == {"a": vector("a")}
    assert shelf.find("another", ["a"]) == {}
    whole = file.read_bytes()
    at = whole.index(b"616161")
    for bad in (whole[:at] + b"7" + whole[at + 1 :], whole[:-9], b"[]", b"{}", b"[" * 9999, b""):
        file.write_bytes(bad)
        assert shelf.find("m", ["a", "b"]) == {}
    file.write_bytes(whole)
    monkeypatch.setattr(limits, "SKILL_VECTORS_BYTES", len(whole) - 1)
    assert shelf.find("m", ["a"]) == {}
    shelf.keep("m", {"a": vector("z"), "b": vector("b")})
    assert file.read_bytes() == whole, "too much is not kept"
