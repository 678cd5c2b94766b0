"""An equivocator: the edge of a node that signs two histories, around the core that ships.

Its core is honest and writes one branch, which it shows to all. Its edge signs a second branch
with the same numbers, and shows and serves that to chosen victims; so far it is one attack in
two forms, because a cloned or restored node that nobody stopped does the same. One that is
*deaf* keeps its core from hearing of the proof, and so goes on for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ledger import Entry, Head, Kind, Signer, parse_entry, seal
from ledger.errors import LedgerError
from symphony.core.ids import NodeId
from symphony.core.messages import Entries, Fork, Message
from symphony.core.records import CAPABILITY, Capability

_LIFETIME_MS = 3_600_000


class Equivocator:
    """The second history of one node."""

    def __init__(self, signer: Signer, swarm_id: bytes) -> None:
        self._signer = signer
        self._swarm_id = swarm_id
        self._branch: dict[int, Entry] = {}
        self._victims: set[NodeId] = set()
        self.deaf = False
        self.lies = 0
        """How often it signed a second history."""

    def forge(
        self, before: Entry | None, wall_ms: int, said: Capability, length: int, *, hidden: int
    ) -> list[Entry]:
        """Sign `length` entries that follow `before`: the same agent, with other limits. The
        first `hidden` are never shown.
        """
        self.lies += 1
        self._branch.clear()  # of two lies the newer one is served
        head: Head | None = before.head if before is not None else None
        for tokens in range(1, length + 1):
            hlc = max(wall_ms << 16, head.hlc + 1 if head else 0)
            lie = replace(said, context_tokens=tokens)
            entry = seal(
                self._signer,
                self._swarm_id,
                head,
                kind=Kind.CAPABILITY,
                body=CAPABILITY.encode(lie),
                hlc=hlc,
                expires=hlc + (_LIFETIME_MS << 16),
            )
            head = entry.head
            if tokens > hidden:
                self._branch[entry.seq] = entry
        return list(self._branch.values())

    def show_to(self, victims: set[NodeId], *, deaf: bool) -> None:
        """From now on these are served the second history."""
        self._victims, self.deaf = victims, deaf

    def served(self, peer: NodeId, found: Sequence[Entry], first: int, last: int) -> list[Entry]:
        """What a peer gets that asks for entries `first` to `last`, of which the core has some."""
        if peer not in self._victims:
            return list(found)
        mine = {entry.seq: entry for entry in found}
        mine |= {seq: entry for seq, entry in self._branch.items() if first <= seq <= last}
        return [mine[seq] for seq in sorted(mine)]

    def overheard(self, message: Message) -> Message | None:
        """What the core may hear of a message; a deaf one hears nothing of proofs, or of itself."""
        if not self.deaf:
            return message
        match message:
            case Fork():
                return None
            case Entries(entries, asked):
                kept = tuple(raw for raw in entries if self._harmless(raw))
                return Entries(kept, asked) if kept else None
            case _:
                return message

    def _harmless(self, raw: bytes) -> bool:
        try:
            entry = parse_entry(raw)
        except LedgerError:
            return True  # others send junk, too: the core is to see to that
        return entry.author != self._signer.public and entry.kind != Kind.FORK
