"""Bradley–Terry strengths from weighted pairwise wins, in integers.

In the model (Bradley and Terry, 1952) i beats j with probability π_i / (π_i + π_j). The
minorise–maximise step of Hunter (2004),

    π_i ← W_i / Σ_j n_ij / (π_i + π_j),

climbs the likelihood from any start. Every pair also gets one tie that nobody cast: it keeps all
strengths finite where somebody won or lost everything, and makes them equal where nobody was
compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SCALE = 10**12
_ROUNDS = 60  # sixteen answers move by less than 10^-4 after that
TIE = 1_000_000  # the weight of the tie that every pair starts with: one judge's word


def strengths_ppm(items: Sequence[str], wins: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """The strength of each item in ppm of the strongest. `wins[i, j]`: the weight with which i was
    preferred to j; a tie counts half for both.
    """
    games = {
        (i, j): wins.get((i, j), 0) + wins.get((j, i), 0) + TIE
        for i in items
        for j in items
        if i != j
    }
    won = {i: sum(wins.get((i, j), 0) + TIE // 2 for j in items if j != i) for i in items}
    strength = dict.fromkeys(items, _SCALE)
    for _ in range(_ROUNDS if len(items) > 1 else 0):
        strength = {i: max(1, won[i] * _SCALE // _load(i, items, games, strength)) for i in items}
        top = max(strength.values())
        strength = {i: max(1, value * _SCALE // top) for i, value in strength.items()}
    return {i: value * 1_000_000 // _SCALE for i, value in strength.items()}


def _load(
    i: str, items: Sequence[str], games: Mapping[tuple[str, str], int], strength: Mapping[str, int]
) -> int:
    parts = (games[i, j] * _SCALE // (strength[i] + strength[j]) for j in items if j != i)
    return max(1, sum(parts))
