"""What must be true of the ledger once everything is healed, and whether what is stored says so.

At rest all nodes, but for equivocators, have equal heads, agents and fork proofs, and every gate
is open again. A node stays shut in two cases only: it forked its own log as an old copy of
itself, or entries that it spoke of are on no disk any more.

Then, of what is stored:

- every store passes `verify_all`, and a node that starts from it knows what the running one does;
- an entry of an honest node that was always on some disk is in every store, under its number;
- a checkpoint of an honest node is the root of its log; what a witness cosigned of any log, honest
  or not, lies on one history;
- whoever holds an entry, and was shown another of its number, has frozen that log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from ledger import Checkpoint, Entry, Head, Kind, parse_checkpoint, parse_cosign
from ledger.errors import InvalidEntry
from ledger.merkle import Frontier
from symphony.core.ids import NodeId
from symphony.core.swarm import Swarm
from symphony.node.restoring import restore
from symphony.testing.ledger_checks import LedgerChecks

if TYPE_CHECKING:
    from symphony.testing.machine import Machine

Picture = tuple[frozenset[Head], frozenset[bytes], frozenset[bytes]]


def picture(swarm: Swarm) -> Picture:
    """What a node makes of its ledger: heads, agents, proofs."""
    book = swarm.journal.book
    return (
        frozenset(book.heads().values()),
        frozenset(listing.id for listing in swarm.directory),
        frozenset(proof.encode() for proof in book.forks().values()),
    )


def unrest(machines: Iterable[Machine], ledger: LedgerChecks) -> Iterator[str]:
    """What keeps the ledgers from being at rest."""
    machines = [
        machine
        for machine in machines
        if machine.equivocator is None
        and machine.script.mischief != "withholder"
        and not machine.gone
    ]
    pictures = [picture(machine.swarm) for machine in machines if machine.swarm is not None]
    for at, name in enumerate(("ledgers", "directories", "proofs")):
        if len({views[at] for views in pictures}) > 1:
            yield f"{name} that differ"
    for machine in machines:
        state = machine.swarm.gate.state if machine.swarm is not None else "short"
        forked = state == "forked" and machine.id in ledger.excused
        if state != "open" and not forked and not _is_lost(machine, machines):
            yield f"the log of node {machine.index}, which is {state}"


def _is_lost(machine: Machine, machines: Iterable[Machine]) -> bool:
    """Is something of this node's log known to be, and nowhere to be had?"""
    others = [other for other in machines if other.swarm is not None]
    books = [other.swarm.journal.book for other in others if other.swarm is not None]
    known = [seen[0] for book in books if (seen := book.furthest(machine.id)) is not None]
    held = [len(other.disk.store.ids(machine.id, 1, 1 << 30)) for other in machines]
    return max(known, default=0) > max(held) or machine.disk.mark > max(held)


class Audit:
    """The look at what is stored, once."""

    def __init__(self, machines: list[Machine], ledger: LedgerChecks) -> None:
        self._machines = machines
        self._honest = [machine for machine in machines if machine.equivocator is None]
        self._ledger = ledger
        self._roots: dict[bytes, bytes] = {}

    def problems(self) -> Iterator[str]:
        for machine in self._honest:
            machine.disk.commit()
            yield from self._rebuilt(machine)
            yield from self._missing(machine)
            yield from self._cosigned(machine)
            yield from self._believed(machine)
            for problem in machine.disk.store.verify_all(self._ledger.checks.verify):
                yield f"stored at node {machine.index}: entry {problem.seq} {problem.text}"

    def _rebuilt(self, machine: Machine) -> Iterator[str]:
        """Does a start from this disk give the same picture?"""
        if machine.swarm is None:
            return
        store, world = machine.disk.store, machine.world
        chance = Random(0)
        fresh = Swarm(
            *(machine.signer, world.keys.verify, world.swarm_id, chance),
            store.heads(),
            store.forks(),
        )
        restore(fresh, store, lambda: 0, lambda: world.now_ms)
        for name, here, there in zip(
            ("heads", "agents", "proofs"), picture(fresh), picture(machine.swarm), strict=True
        ):
            if here != there:
                yield f"node {machine.index} would start with other {name} than it has"

    def _missing(self, machine: Machine) -> Iterator[str]:
        """Is an entry gone that was always on some disk?"""
        for author in self._honest:
            if not self._ledger.honest(author):
                continue
            ids = machine.disk.store.ids(author.id, 1, 1 << 30)
            for entry in self._ledger.entries[author.id].values():
                kept = entry.seq <= len(ids) and ids[entry.seq - 1] == entry.id
                if not kept and entry.id not in self._ledger.lost and machine.swarm is not None:
                    name = f"entry {entry.seq} of node {author.index}"
                    yield f"{name} is lost at node {machine.index}"

    def _believed(self, machine: Machine) -> Iterator[str]:
        """Does a node hold one history and take the author for honest that showed it another?"""
        if machine.swarm is None:
            return
        if machine.swarm._forks._looking:  # noqa: SLF001  # it is private, and must be 0 by now
            yield f"node {machine.index} waits for look-ups that were answered"
        for entry in self._ledger.lives[machine.id].shown:
            stored = machine.disk.store.get(entry.author, entry.seq)
            frozen_at = machine.swarm.journal.book.frozen_at(entry.author)
            frozen = frozen_at is not None and frozen_at < entry.seq
            if stored is not None and stored.id != entry.id and not frozen:
                index = machine.world.index_of[NodeId(entry.author)]
                name = f"a second entry {entry.seq} of node {index}"
                yield f"node {machine.index} was shown {name}, and did nothing"

    def _cosigned(self, machine: Machine) -> Iterator[str]:
        """Checkpoints of this node, and what it cosigned of others."""
        if not self._ledger.honest(machine):
            return
        claims: dict[bytes, list[tuple[Checkpoint, Entry]]] = {}
        marks = self._ledger.checks.marks
        for _, entry in machine.disk.store.entries(author=machine.id, limit=1 << 30):
            try:
                if entry.kind == Kind.CHECKPOINT:
                    marks.add("checkpoint")
                    found = [parse_checkpoint(entry)]
                elif entry.kind == Kind.COSIGN:
                    marks.add("cosignature")
                    found = parse_cosign(entry)
                else:
                    continue
            except InvalidEntry as error:
                yield f"node {machine.index} signed nonsense: {error}"
                continue
            for claim in found:
                end = self._sealed(claim)
                if end is None:
                    yield f"node {machine.index} signed a root of {claim.size} that no log has"
                else:
                    claims.setdefault(claim.author, []).append((claim, end))
        for author, made in claims.items():
            made.sort(key=lambda pair: pair[0].size)
            for (one, end), (_, later) in pairwise(made):
                if self._chain(later)[one.size - 1] != end.id:
                    index = machine.world.index_of[NodeId(author)]
                    yield f"node {machine.index} cosigned two histories of node {index}"

    def _sealed(self, claim: Checkpoint) -> Entry | None:
        """The last entry of the history that has this root, if there is one."""
        for entry in self._ledger.entries[claim.author].values():
            if entry.seq == claim.size:
                if entry.id not in self._roots:
                    self._roots[entry.id] = Frontier().extend(self._chain(entry)).root()
                if self._roots[entry.id] == claim.root:
                    return entry
        return None

    def _chain(self, end: Entry) -> list[bytes]:
        """The ids of a history, from its first entry to this one."""
        known = self._ledger.entries[end.author]
        ids = [end.id]
        while end.prev is not None:
            end = known[end.prev]
            ids.append(end.id)
        return ids[::-1]
