"""The line of a durable task: its conductor and its stewards, in the order of their turns.

    place 0   the conductor, who signed the task entry
    place 1   the first steward that the entry names; place 2 the second

Whoever conducts awards with epochs whose remainder by three is its place. So two that conduct at
the same time, because a network was cut, never award one epoch, and of each award anybody sees
whose turn it was. Those of a later place begin higher, so that an earlier one that wakes up fences
nobody off. The same entry says to owners who may give them work of this task.

Of the line at most one should conduct. Who hears nothing of the others for its *patience* takes
over, the nearer in line the sooner (`stewarding`). Who conducts and hears that a *later* one does,
steps back: the later one has taken over because the earlier was silent, and knows what it knew.

Should two give a verdict nevertheless, then of all verdicts the one counts that *comes first*:
answered before not certified before none, and among equals that of the earlier place. A verdict
with an answer by the conductor is therefore final; one by a steward counts as long as no earlier
one of the line has answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from symphony.core import limits
from symphony.core.ids import Epoch, NodeId, TaskId
from symphony.core.peers.directory import Directory
from symphony.core.records import Outcome, TaskRecord

PLACES = limits.STEWARDS + 1
_FIRST: dict[Outcome, int] = {"answered": 0, "not_certified": 1}


@dataclass(frozen=True, slots=True)
class Line:
    """Everybody who may conduct a task, in order; `keys` are their box keys, empty for one that
    has none; `place` is that of this node.
    """

    nodes: tuple[NodeId, ...]
    keys: tuple[bytes, ...]
    place: int

    def others(self) -> Iterable[tuple[NodeId, bytes]]:
        """Who else is in line and can be entrusted with anything."""
        mine = self.nodes[self.place]
        return ((n, k) for n, k in zip(self.nodes, self.keys, strict=True) if n != mine and k)


def line_of(conductor: NodeId, record: TaskRecord) -> tuple[NodeId, ...]:
    """The line that a task entry names; a task that is not durable has its conductor only."""
    return (conductor, *map(NodeId, record.stewards))


def next_epoch(highest: int, place: int | None) -> Epoch:
    """The next epoch of a unit after `highest`; None is the place of who conducts alone."""
    if place is None:
        return Epoch(highest + 1)
    least = max(highest, place * limits.EPOCHS_PER_PLACE) + 1
    return Epoch(least + (place - least) % PLACES)


def may_award(place: int, epoch: int) -> bool:
    """Is an epoch one of this place?"""
    return epoch % PLACES == place


def patience_ms(place: int) -> int:
    """How long a place hears nothing before it takes over. The conductor waits longest: it comes
    back to a task that somebody else has.
    """
    return limits.TAKE_OVER_MS[place]


def rank(outcome: Outcome, place: int) -> tuple[int, int]:
    """Of several verdicts of one task that with the lowest rank counts."""
    return _FIRST.get(outcome, 2), place


def choose_stewards(
    able: Mapping[NodeId, bytes], task: TaskId, operator_of: Callable[[NodeId], str], me: NodeId
) -> Sequence[tuple[NodeId, bytes]]:
    """Up to two of those that are able to keep a task of this node, which come with their box keys.
    Which of many is as good as drawn, so that no node keeps everybody's tasks. Where invites name
    operators, all in line are run by different ones, as far as there are others: what one party
    runs may be gone at once.
    """

    def lot(node: NodeId) -> bytes:
        return hashlib.sha256(b"symphony/steward/1\x00" + task + node).digest()

    waiting, taken = sorted(able, key=lot), {operator_of(me)} - {""}
    chosen: list[NodeId] = []
    while waiting and len(chosen) < limits.STEWARDS:
        node = next((node for node in waiting if operator_of(node) not in taken), waiting[0])
        waiting.remove(node)
        taken |= {operator_of(node)} - {""}
        chosen.append(node)
    return [(node, able[node]) for node in chosen]


def able_to_keep(
    directory: Directory, among: Iterable[NodeId], record: TaskRecord, wall_ms: int
) -> dict[NodeId, bytes]:
    """The nodes with a box key that may see tasks of this privacy class, by their own word."""
    found: dict[NodeId, bytes] = {}
    for listing in directory.of(among):
        capability = listing.capability
        fits = record.privacy in capability.privacy and "solve" in capability.roles
        if fits and capability.box and not capability.withdrawn and listing.expires_ms > wall_ms:
            found[listing.node] = capability.box
    return found
