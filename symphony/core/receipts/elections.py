"""The elections of a receipt, held again from the bids that its awards record.

The scores and the winner follow from what the conductor noted of each bidder. What nobody can check
is who was passed over. A conductor may avoid bidders for four reasons: they had the unit before,
they are gone, the task has as many nodes as it may have, or, of judges, they gave one of the two
answers or compare them already (`votes.judges.barred`). The first and the last follow from the
receipt; of the others the report says in how many elections they made a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from symphony.core.beacon.election import chain_of, rank, score, used_elsewhere
from symphony.core.beacon.match import eligible
from symphony.core.ids import EntryId, UnitId
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.records import Award, TaskRecord
from symphony.core.votes.comparison import pair_in
from symphony.core.votes.settling import Cast


class Elections:
    """All elections of one task, in the order in which they were held."""

    def __init__(self, checked: Checked, task: TaskRecord) -> None:
        self._checked = checked
        self._task = task
        self._latest: dict[int, tuple[str, bytes]] = {}
        self._owners: defaultdict[UnitId, set[bytes]] = defaultdict(set)

    def held(self, award: Award) -> None:
        """Hold the next one again. Raises `ReceiptInvalid` if its winner is not the owner."""
        lineage_of = self._bidders(award)
        unit, chain = UnitId(award.unit), chain_of(award.name)
        if not {bidder.owner for bidder in award.candidates}.issuperset(award.avoided):
            refuse(f"{award.name}: somebody was avoided who did not bid")
        used = used_elsewhere(chain, self._latest)
        ranked = rank(self._task.selection, unit, award.candidates, lineage_of, used)
        place = next((n for n, c in enumerate(ranked) if c.owner not in award.avoided), None)
        winner = None if place is None else ranked[place]
        elected = (award.owner, award.agent, award.capability, award.score)
        if winner is None or elected != (
            winner.owner,
            winner.agent,
            winner.capability,
            winner.score,
        ):
            refuse(f"{award.name}: the owner is not the winner of the election")
        before = {bidder.owner for bidder in ranked[:place]} - self._owners[unit]
        if before:
            self._checked.passed[unit, award.epoch] = frozenset(before)
        self._owners[unit].add(winner.owner)
        self._latest[chain] = lineage_of[EntryId(winner.capability)], winner.owner

    def _bidders(self, award: Award) -> dict[EntryId, str]:
        """The lineages of all bidders, each with a right to bid, and with the score it has."""
        lineage_of: dict[EntryId, str] = {}
        selection, unit = self._task.selection, UnitId(award.unit)
        for bidder in award.candidates:
            found = self._checked.capabilities.get(EntryId(bidder.capability))
            if found is None:
                refuse(f"{award.name}: the capability of a bidder is missing")
            node, capability = found
            if (node, capability.agent) != (bidder.owner, bidder.agent):
                refuse(f"{award.name}: a bid names a capability of somebody else")
            if not eligible(capability, award.requirement):
                refuse(f"{award.name}: {capability.agent} may not own such a unit")
            points = score(selection, unit, node, capability, award.requirement, bidder.seen)
            if points != bidder.score:
                refuse(f"{award.name}: the score of {capability.agent} is {points}")
            lineage_of[EntryId(bidder.capability)] = capability.lineage
        return lineage_of


def passed_over(checked: Checked, cast: Sequence[Cast]) -> int:
    """In how many elections did a bidder lose its place by the conductor's word alone?"""
    key_of = {item.ballot.chain: item.ballot.key for item in cast}
    compare: defaultdict[frozenset[int], set[str]] = defaultdict(set)
    count = 0
    for place, award in checked.awards.items():
        passed = checked.passed.get(place, frozenset())
        if award.requirement.role == "judge":
            pair = pair_in(award.name)
            keys = {key_of.get(chain) for chain in pair}
            voters = (i.ballot for i in cast if i.ballot.key in keys)
            barred = compare[frozenset(pair)] | {of for b in voters for of in (b.node, b.operator)}
            passed -= {
                bidder.owner
                for bidder in award.candidates
                if barred & _parties(checked, bidder.owner, bidder.capability)
            }
            compare[frozenset(pair)] |= _parties(checked, award.owner, award.capability)
        count += bool(passed)
    return count


def _parties(checked: Checked, owner: bytes, capability: bytes) -> set[str]:
    """A node, and its operator if it names one."""
    return {owner.hex(), checked.operator_of(capability)} - {""}
