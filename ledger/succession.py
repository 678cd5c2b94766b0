"""Who speaks for an identity now: a log can hand itself over to one key, chosen in advance.

A key that is stolen can sign anything, also "from now on listen to this other key". So a log
*commits* to its successor when it begins, while its key is surely its owner's: to the SHA-256 of
a public key that nobody has seen yet and whose secret half is kept apart. The idea is
pre-rotation, as in KERI; what an heir takes over is proven by two signatures, the old key's and
the new one's.

    pledge   the commitment                                   the first entry of a log
    retire   the successor                                    the last entry of a log
    adopt    the old key and its retire entry, a commitment   the first entry of the successor's log

Their bodies are `handover`'s. An adopt entry names the retire entry by number and id, and may
commit to the next successor. The commitment of some logs is known from elsewhere (a swarm's genesis
holds its founder's): such an *anchor* counts instead of what the log says.

A retire entry is refused unless its key fits the commitment, and nothing is appended behind it.
Both follow from the entries before it, so all copies of a log agree. The *successor* of A is the
key K if

1. K fits the commitment of A,
2. the log of K begins with an adopt entry that names A, and
3. A is closed: it ends in a retire entry, which names K and which the adopt entry names; or there
   is a proof that it forked, and it can't be retired any more.

So the old key alone can't name an heir: it doesn't know one that fits. The new key alone can't
take over: A is not closed. A thief of the old key can fork its log and so close it, which is what
the owner would do next anyway. Only a fork at number 1, where the commitment stands, ends a line,
unless it is anchored.

Everything here is a function of the *set* of entries and proofs: entries that do not count (above
a fork) are set aside by `Facts`, whatever came first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ledger.entry import Entry
from ledger.errors import Reason
from ledger.handover import Adopt, Retire, commit, parse_adopt, parse_pledge, parse_retire
from ledger.kinds import Kind
from ledger.limits import MAX_SUCCESSIONS
from ledger.paging import all_of

if TYPE_CHECKING:
    from ledger.store import Store

REMEMBERED = (Kind.PLEDGE, Kind.ADOPT, Kind.RETIRE)
"""The kinds that a node reads back from its store when it starts."""


class Succession:
    """What is known of pledges, retirements and adoptions. `frozen_at` is the book's."""

    def __init__(
        self, anchors: Mapping[bytes, bytes], frozen_at: Callable[[bytes], int | None]
    ) -> None:
        self._anchors = dict(anchors)
        self._frozen_at = frozen_at
        self._pledges: dict[bytes, bytes] = {}
        self._retired: dict[bytes, Retire] = {}
        self._adopts: dict[bytes, Adopt] = {}
        self._heirs: dict[bytes, set[bytes]] = {}

    def note(self, entry: Entry) -> None:
        """Take in an entry that was appended to its log, in any order, any number of times."""
        author = entry.author
        match entry.kind:
            case Kind.PLEDGE if (commitment := parse_pledge(entry)) is not None:
                self._pledges[author] = commitment
            case Kind.RETIRE if (retire := parse_retire(entry)) is not None:
                self._retired[author] = retire
            case Kind.ADOPT if (adopt := parse_adopt(entry)) is not None:
                self._adopts[author] = adopt
                self._heirs.setdefault(adopt.old, set()).add(author)
                if adopt.commitment is not None:
                    self._pledges[author] = adopt.commitment
            case _:
                pass

    def commitment(self, author: bytes) -> bytes | None:
        """What the key of this log's successor must hash to; None if nobody can succeed it."""
        anchored = self._anchors.get(author)
        if anchored is not None:
            return anchored
        return self._pledges.get(author) if self._counts(author, 1) else None

    def retired(self, author: bytes) -> Retire | None:
        """The retire entry that ends this log, if there is one and it counts."""
        retire = self._retired.get(author)
        return retire if retire is not None and self._counts(author, retire.seq) else None

    def refusal(self, entry: Entry) -> tuple[Reason, str] | None:
        """Why an entry can't be appended, as the log stands before it."""
        retire = self.retired(entry.author)
        if retire is not None and entry.seq > retire.seq:
            return Reason.RETIRED, f"the log ended with its retirement at {retire.seq}"
        if entry.kind != Kind.RETIRE:
            return None
        named, commitment = parse_retire(entry), self.commitment(entry.author)
        if named is None:
            return Reason.BAD_SUCCESSION, "a retire entry is {successor}"
        if commitment is None:
            return Reason.BAD_SUCCESSION, "the log never committed to a successor"
        if commit(named.successor) != commitment:
            return Reason.BAD_SUCCESSION, "the successor is not the key that was committed to"
        return None

    def successor(self, author: bytes) -> bytes | None:
        """The key that took over this log; None as long as nobody did."""
        commitment = self.commitment(author)
        if commitment is None:
            return None
        retire, forked = self.retired(author), self._frozen_at(author) is not None
        for heir in self._heirs.get(author, ()):
            adopt = self._adopts[heir]
            named = retire is not None and (adopt.seq, adopt.id) == (retire.seq, retire.id)
            if commit(heir) == commitment and self._counts(heir, 1) and (named or forked):
                return heir  # the only key with this hash
        return None

    def line(self, author: bytes) -> Iterator[bytes]:
        """The key, its successor, the successor's, … as far as they go."""
        seen: set[bytes] = set()
        key: bytes | None = author
        while key is not None and key not in seen and len(seen) <= MAX_SUCCESSIONS:
            seen.add(key)
            yield key
            key = self.successor(key)

    def speaker(self, author: bytes) -> bytes:
        """The key that speaks now for the identity that began with this one."""
        *_, last = self.line(author)
        return last

    def claims(self, author: bytes) -> bool:
        """Does this log begin with the claim to succeed another? Not whether that is true."""
        return author in self._adopts

    def predecessor(self, author: bytes) -> bytes | None:
        """The key that this one took over from; None if it began on its own."""
        adopt = self._adopts.get(author)
        return adopt.old if adopt is not None and self.successor(adopt.old) == author else None

    def _counts(self, author: bytes, seq: int) -> bool:
        """Is this number of the log below every fork?"""
        frozen_at = self._frozen_at(author)
        return frozen_at is None or seq <= frozen_at


def remembered(store: Store) -> Iterator[Entry]:
    """The stored entries that a new book must be told of with `Succession.note`."""
    for kind in REMEMBERED:
        yield from all_of(store, kind)
