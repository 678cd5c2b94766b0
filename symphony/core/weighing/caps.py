"""Caps: being many is worth only so much.

The ballots of one node, one operator or one lineage together weigh no more than a share of all
weight, or than the heaviest of them alone if that is more: a cap answers numbers, not strength. So
a strong agent keeps its weight, and its ten copies under one roof add nothing beyond the cap.

    group ≤ max(heaviest member, share / (1 − share) · weight of all others)

A group that holds every ballot is left alone: scaling everything changes nothing. Caps are applied
to nodes, then operators, then lineages; each pass looks at the weights that the one before left.
What a node says about its operator must be what the founder vouched in its invite, or its bids are
not heard; a party that is given invites under several names is several operators. What it says of
its lineage is its own claim, so that cap binds honest parties and careless ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WHOLE = 1_000_000


@dataclass(frozen=True, slots=True)
class Caps:
    """The largest share of all weight that one party may hold, in ppm; None is no cap."""

    node_ppm: int | None = 500_000
    operator_ppm: int | None = 500_000
    lineage_ppm: int | None = 666_666

    def __post_init__(self) -> None:
        for share in (self.node_ppm, self.operator_ppm, self.lineage_ppm):
            assert share is None or 0 < share < _WHOLE


NO_CAPS = Caps(None, None, None)


def capped(weights: Sequence[int], parties: Sequence[str], share_ppm: int | None) -> list[int]:
    """The weights after one cap. `parties[i]` is the party of ballot i; "" belongs to nobody.

    The groups are measured against the weights as given, so their order does not matter.
    """
    result = list(weights)
    named = [party for party in parties if party]
    if share_ppm is None or len(set(named)) == len(named):
        return result  # no party has two
    groups: dict[str, list[int]] = {}
    for at, party in enumerate(parties):
        if party:
            groups.setdefault(party, []).append(at)
    everything = sum(weights)
    for members in groups.values():
        held = sum(weights[at] for at in members)
        others = everything - held
        if len(members) < 2 or others == 0:
            continue
        heaviest = max(weights[at] for at in members)
        limit = max(heaviest, others * share_ppm // (_WHOLE - share_ppm))
        if held > limit:
            parts = _parts([weights[at] for at in members], limit)
            for at, part in zip(members, parts, strict=True):
                result[at] = part
    return result


def _parts(weights: Sequence[int], limit: int) -> list[int]:
    """The weights scaled down to a sum. What rounding takes goes to the first of them, so that a
    party at a cap of one half is level with all others, and not behind by a millionth.
    """
    held = sum(weights)
    parts = [weight * limit // held for weight in weights]
    missing = limit - sum(parts)
    for at, weight in enumerate(weights):
        if missing and weight * limit % held:
            parts[at] += 1
            missing -= 1
    return parts
