"""Does a need find the agent that can meet it? Twelve agents, twenty-four needs, two judges.

Each need is compared with every agent's skill, by the encoder that nodes use and by BM25, which
knows only words. `top_1` is how often the right agent comes first; a random choice gives 2 of 24.
The needs were written for this file, before anything was measured on them.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import trio

from symphony.core.beacon.match import cosine_ppm
from symphony.engines.embedding import encoder_missing, open_encoder
from symphony.errors import EngineUnavailable

_K1, _B = 1.5, 0.75
_WORD: Final = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """A need, and the number of the agent that is right for it."""

    need: str
    right: int


def matching_set() -> tuple[tuple[str, ...], tuple[Pair, ...]]:
    """The skills of the agents, and the needs."""
    text = resources.files(__package__).joinpath("matching_set.toml").read_text(encoding="utf-8")
    agents = tomllib.loads(text)["agent"]
    skills = tuple(agent["skill"] for agent in agents)
    pairs = tuple(Pair(need, at) for at, agent in enumerate(agents) for need in agent["needs"])
    return skills, pairs


def measure_matching() -> dict[str, Any]:
    """Both judges on the set. Raises `EngineUnavailable` where there is no encoder."""
    if missing := encoder_missing():
        raise EngineUnavailable(missing, hint="run: symphony model pull minilm-l6-int8")
    skills, pairs = matching_set()
    by_meaning = trio.run(_by_meaning, skills, [pair.need for pair in pairs])
    by_words = bm25(skills, [pair.need for pair in pairs])
    return {
        "bench": "matching",
        "agents": len(skills),
        "needs": len(pairs),
        "minilm": report(by_meaning, pairs),
        "bm25": report(by_words, pairs),
    }


def report(scores: Sequence[Sequence[float]], pairs: Sequence[Pair]) -> dict[str, Any]:
    """How high the right agent stands. Of equal scores, the right one counts as the last."""
    places = []
    for row, pair in zip(scores, pairs, strict=True):
        better = sum(score >= row[pair.right] for score in row)
        places.append(better)
    missed = [pair.need for place, pair in zip(places, pairs, strict=True) if place > 1]
    return {
        "top_1": sum(place == 1 for place in places),
        "top_3": sum(place <= 3 for place in places),
        "mrr": round(sum(1 / place for place in places) / len(places), 3),
        "missed": missed,
    }


async def _by_meaning(skills: Sequence[str], needs: Sequence[str]) -> list[list[float]]:
    encoder = await open_encoder()
    assert encoder is not None
    offered = await encoder.encode(skills)
    wanted = await encoder.encode(needs)
    return [[float(cosine_ppm(one, other)) for other in offered] for one in wanted]


def bm25(documents: Sequence[str], queries: Sequence[str]) -> list[list[float]]:
    """Okapi BM25 with the usual constants: one row of scores a query."""
    texts = [Counter(_WORD.findall(text.lower())) for text in documents]
    average = sum(text.total() for text in texts) / len(texts)
    holding = Counter(word for text in texts for word in text)

    def score(text: Counter[str], query: str) -> float:
        total = 0.0
        for word in _WORD.findall(query.lower()):
            count = text[word]
            rarity = math.log(1 + (len(texts) - holding[word] + 0.5) / (holding[word] + 0.5))
            length = 1 - _B + _B * text.total() / average
            total += rarity * count * (_K1 + 1) / (count + _K1 * length)
        return total

    return [[score(text, query) for text in texts] for query in queries]
