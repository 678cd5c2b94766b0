"""How well an agent fits a requirement: the paper's φ(capability, requirement) ∈ [0, 1].

Both sides are embedded by the same small encoder and compared by their cosine. The arithmetic
is on integers only (int8 vectors, integer square root), so that a receipt's reader gets the
very number that the conductor got, on any machine. A node without the encoder, or one with
another, is compared by shared words instead; that is coarser and it is the documented fallback.

A requirement's skill is matched against each skill of the agent; the best one counts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isqrt
from operator import mul

from symphony.core.records import Capability, Requirement, Skill

MAX_REMEMBERED = 16_384  # of each: every beacon compares the same few again
_WORD = re.compile(r"[a-z0-9]+")
_FILLER = frozenset(
    ["a", "an", "and", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to", "with"]
)


def eligible(capability: Capability, requirement: Requirement) -> bool:
    """May this agent own such a unit at all? Role, privacy class and room in the context."""
    return (
        not capability.withdrawn
        and requirement.role in capability.roles
        and requirement.privacy in capability.privacy
        and requirement.context_tokens <= capability.context_tokens
    )


def match(capability: Capability, requirement: Requirement) -> int:
    """φ in parts per million. Eligibility is a separate question."""
    same = requirement.encoder is not None and requirement.encoder == capability.encoder
    return max(_skill_match(skill, requirement, same) for skill in capability.skills)


def best_skill(capability: Capability, requirement: Requirement) -> str:
    """The skill of an agent that fits a requirement best; the first of equals."""
    same = requirement.encoder is not None and requirement.encoder == capability.encoder
    return max(capability.skills, key=lambda s: _skill_match(s, requirement, same)).name


def _skill_match(skill: Skill, requirement: Requirement, same_encoder: bool) -> int:
    if same_encoder and skill.vector is not None and requirement.vector is not None:
        return cosine_ppm(skill.vector, requirement.vector)
    return shared_words_ppm(f"{skill.name} {skill.description}", requirement.skill)


@lru_cache(maxsize=MAX_REMEMBERED)
def cosine_ppm(left: bytes, right: bytes) -> int:
    """Cosine of two int8 vectors, in parts per million; opposite directions count as 0."""
    a, b = memoryview(left).cast("b"), memoryview(right).cast("b")
    dot: int = sum(map(mul, a, b))
    if dot <= 0:
        return 0
    norm: int = isqrt(sum(map(mul, a, a)) * sum(map(mul, b, b)))
    return min(1_000_000, dot * 1_000_000 // norm)


@lru_cache(maxsize=MAX_REMEMBERED)
def words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _FILLER


def shared_words_ppm(offered: str, wanted: str) -> int:
    """The share of the wanted words that are offered."""
    need = words(wanted)
    if not need:
        return 0
    return len(need & words(offered)) * 1_000_000 // len(need)
