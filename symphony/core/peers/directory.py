"""Who can do what: the projection of capability entries.

The newest record of an (author, agent) pair counts, by sequence number of the author's log;
since logs converge, so does the directory, in whatever order the entries came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, MutableMapping
from dataclasses import dataclass

from ledger import Entry
from ledger.clock import physical_ms
from ledger.overlay import Overlay
from symphony.core import limits
from symphony.core.beacon.match import eligible, match
from symphony.core.ids import EntryId, NodeId
from symphony.core.records import CAPABILITY, Capability, Requirement


@dataclass(frozen=True, slots=True)
class Listing:
    """One agent as the ledger knows it."""

    node: NodeId
    capability: Capability
    entry: Entry
    expires_ms: int

    @property
    def id(self) -> EntryId:
        return EntryId(self.entry.id)


class Directory:
    """All known agents, by node and name."""

    def __init__(self) -> None:
        self._listings: MutableMapping[tuple[NodeId, str], Listing] = {}
        self._by_entry: MutableMapping[EntryId, Listing] = {}
        self._names: MutableMapping[NodeId, tuple[str, ...]] = {}

    def begin_as(self, other: Directory) -> None:
        """Know what another directory knows, at the cost of what changes here: so the nodes of a
        large simulated swarm begin with one picture. This one must be empty, and the other one
        must no longer change.
        """
        assert not self._listings
        self._listings = Overlay(other._listings)
        self._by_entry = Overlay(other._by_entry)
        self._names = Overlay(other._names)

    def changed(self) -> list[Listing] | None:
        """The listings that are not those of the directory that this one began as, if it did."""
        mine = self._listings
        return list(mine.mine.values()) if isinstance(mine, Overlay) else None

    def add(self, entry: Entry) -> Listing | None:
        """Take a capability entry in. None if it is unreadable, or older than what is known."""
        if entry.body is None or entry.expires is None:
            return None
        capability = CAPABILITY.decode(entry.body)
        node = NodeId(entry.author)
        key = (node, capability.agent)
        known = self._listings.get(key)
        if known is not None and known.entry.seq >= entry.seq:
            return None
        if known is None and len(self._listings) >= limits.MAX_DIRECTORY:
            return None
        if known is not None:
            self._by_entry.pop(known.id, None)
        else:
            self._names[node] = (*self._names.get(node, ()), capability.agent)
        listing = Listing(node, capability, entry, physical_ms(entry.expires))
        self._listings[key] = listing
        self._by_entry[listing.id] = listing
        return listing

    def __iter__(self) -> Iterator[Listing]:
        return iter(self._listings.values())

    def __len__(self) -> int:
        return len(self._listings)

    def of(self, nodes: Iterable[NodeId]) -> Iterator[Listing]:
        """The listings of these nodes; what that takes does not grow with the swarm."""
        for node in nodes:
            for name in self._names.get(node, ()):
                yield self._listings[node, name]

    def get(self, node: NodeId, agent: str) -> Listing | None:
        return self._listings.get((node, agent))

    def find(self, entry_id: EntryId) -> Listing | None:
        """The listing that this entry stands for, if it is still the newest."""
        return self._by_entry.get(entry_id)

    def drop(self, node: NodeId) -> None:
        """Forget an author whose log is frozen by a fork proof."""
        for name in self._names.pop(node, ()):
            self._by_entry.pop(self._listings.pop((node, name)).id, None)

    def fitting(
        self, requirement: Requirement, alive: Collection[NodeId], wall_ms: int
    ) -> list[tuple[int, Listing]]:
        """(φ, listing) of every live agent that may own such a unit, best first."""
        found = [
            (match(listing.capability, requirement), listing)
            for listing in self.of(alive)
            if listing.expires_ms > wall_ms and eligible(listing.capability, requirement)
        ]
        found.sort(key=lambda pair: (-pair[0], pair[1].node, pair[1].capability.agent))
        return found

    @property
    def nodes(self) -> int:
        """How many nodes have agents."""
        return len(self._names)

    def beyond(
        self, requirement: Requirement, connected: Collection[NodeId], wall_ms: int
    ) -> Iterator[tuple[int, Listing]]:
        """(φ, listing) of every agent that may own such a unit and is at none of these nodes."""
        for listing in self._listings.values():
            if (
                listing.node not in connected
                and listing.expires_ms > wall_ms
                and eligible(listing.capability, requirement)
            ):
                yield match(listing.capability, requirement), listing

    def skill_names(self, alive: Collection[NodeId]) -> tuple[str, ...]:
        """The skills that live solvers offer: what a planner may ask for, most common first."""
        counts: dict[str, int] = {}
        for listing in self.of(alive):
            if "solve" in listing.capability.roles:
                for skill in listing.capability.skills:
                    counts[skill.name] = counts.get(skill.name, 0) + 1
        return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:64])
