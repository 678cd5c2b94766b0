"""Where a log begins for those who need not see all of it: a horizon.

A log of years is mostly headers of bodies that nobody holds any more. A *horizon* is an entry in
which an author says: the first `size` entries of this log have this Merkle frontier, here is the
checkpoint that said so a month ago or more, and here are the cosignatures of others who held all
of it then. Who has it may forget the headers below, and who comes new may begin above.

    horizon  {0: size, 1: peaks, 2: id, 3: hlc, 4: checkpoint, 5: [cosign, …], ?6: first}

`id` and `hlc` are those of entry `size`, to which the next one is chained. The peaks are kept, so
that later roots, inclusion and consistency proofs go on from there. `first` is the log's first
entry, where that commits to a successor (`succession`): it is the one entry that is never
forgotten.

What is lost is the power to see a fork below the horizon with one's own copy. The month is the
time in which those who held the whole log could find it; a proof that they found is kept for ever
and counts for a log that begins at a horizon as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger import codec
from ledger.checkpoint import parse_checkpoint, witnesses
from ledger.clock import physical_ms
from ledger.entry import Entry, Head, check_entry, parse_entry
from ledger.errors import InvalidEntry, LedgerError, Reason
from ledger.handover import parse_adopt, parse_pledge
from ledger.header import HASH_BYTES
from ledger.keys import Verifier
from ledger.kinds import Kind
from ledger.limits import MAX_BODY_BYTES, MAX_HORIZON_COSIGNS, MAX_UINT63, MIN_HORIZON_AGE_MS
from ledger.merkle import Frontier


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a horizon entry says. `entry` is that entry."""

    entry: Entry
    frontier: Frontier
    last: Head
    checkpoint: Entry
    cosigns: tuple[Entry, ...]
    first: Entry | None = None

    @property
    def author(self) -> bytes:
        return self.entry.author

    @property
    def size(self) -> int:
        """How many entries lie below."""
        return self.frontier.size


def encode_horizon(
    frontier: Frontier,
    last: Head,
    checkpoint: Entry,
    cosigns: Sequence[Entry],
    first: Entry | None = None,
) -> bytes:
    """The body of a horizon entry, with as many of the cosign entries as fit, the first ones
    first. Raises `ValueError` if not one does.
    """
    for count in range(min(len(cosigns), MAX_HORIZON_COSIGNS), 0, -1):
        fields: dict[int, codec.Encodable] = {
            0: frontier.size,
            1: b"".join(frontier.peaks),
            2: last.id,
            3: last.hlc,
            4: checkpoint.encode(),
            5: [entry.encode() for entry in cosigns[:count]],
        }
        if first is not None:
            fields[6] = first.encode()
        body = codec.dumps(fields)
        if len(body) <= MAX_BODY_BYTES:
            return body
    raise ValueError("a horizon needs a cosignature that fits into an entry")


def parse_horizon(entry: Entry) -> Horizon:
    """What a horizon entry says; signatures are not looked at. Raises `InvalidEntry`."""
    try:
        match codec.loads(entry.body or b"") if entry.kind == Kind.HORIZON else None:
            case {
                0: int() as size,
                1: bytes() as peaks,
                2: bytes() as last_id,
                3: int() as hlc,
                4: bytes() as checkpoint,
                5: [*cosigns],
                **rest,
            } if rest.keys() <= {6} and _fits(entry, size, last_id, hlc, len(cosigns)):
                return Horizon(
                    entry,
                    _frontier(size, peaks),
                    Head(entry.author, size, last_id, hlc),
                    parse_entry(checkpoint),
                    tuple(_entry(each) for each in cosigns),
                    _entry(rest[6]) if rest else None,
                )
    except (LedgerError, ValueError) as error:
        raise InvalidEntry(f"a horizon with damaged parts: {error}") from None
    raise InvalidEntry("a horizon is {size, peaks, id, hlc, checkpoint, cosigns, first}")


def verify_horizon(entry: Entry, swarm_id: bytes, verify: Verifier, now_ms: int) -> Horizon:
    """The horizon in an entry that its author signed, if all of it holds at `now_ms`. Raises
    `InvalidEntry`; with the reason `TOO_SOON` if it will hold later.
    """
    horizon = check_horizon(entry, swarm_id, verify)
    if physical_ms(horizon.checkpoint.hlc) + MIN_HORIZON_AGE_MS > now_ms:
        raise InvalidEntry("a horizon at a checkpoint of late", reason=Reason.TOO_SOON)
    return horizon


def check_horizon(entry: Entry, swarm_id: bytes, verify: Verifier) -> Horizon:
    """The same without a look at the clock."""
    check_entry(entry, swarm_id, verify)
    horizon = parse_horizon(entry)
    claim = parse_checkpoint(horizon.checkpoint)
    said = (claim.author, claim.size, claim.root)
    if said != (entry.author, horizon.size, horizon.frontier.root()):
        raise InvalidEntry("a horizon that its checkpoint does not say", reason=Reason.BAD_PROOF)
    order = (horizon.size, horizon.checkpoint.seq, entry.seq)
    times = (horizon.last.hlc, horizon.checkpoint.hlc, entry.hlc)
    if sorted(set(order)) != list(order) or sorted(set(times)) != list(times):
        raise InvalidEntry("a horizon before its checkpoint", reason=Reason.BAD_PROOF)
    if not witnesses(horizon.checkpoint, horizon.cosigns, swarm_id, verify):
        raise InvalidEntry("a horizon that nobody else has seen", reason=Reason.BAD_PROOF)
    first = horizon.first
    if first is not None:
        check_entry(first, swarm_id, verify)
        commits = parse_pledge(first) is not None or parse_adopt(first) is not None
        if first.author != entry.author or not commits:
            text = "the first entry in a horizon commits to nobody"
            raise InvalidEntry(text, reason=Reason.BAD_PROOF)
    return horizon


def is_kept_below(entry: Entry) -> bool:
    """Does this entry stay when everything below a horizon is forgotten?"""
    return entry.seq == 1 and entry.kind in (Kind.PLEDGE, Kind.ADOPT)


def _fits(entry: Entry, size: int, last_id: bytes, hlc: int, cosigns: int) -> bool:
    integers = type(size) is int and type(hlc) is int
    return (
        integers
        and 1 <= size < entry.seq
        and len(last_id) == HASH_BYTES
        and 0 <= hlc <= MAX_UINT63
        and 1 <= cosigns <= MAX_HORIZON_COSIGNS
    )


def _frontier(size: int, peaks: bytes) -> Frontier:
    """Raises `ValueError` if these are not as many peaks as the size has bits."""
    if len(peaks) % HASH_BYTES:
        raise ValueError("half a hash")
    hashes = [peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)]
    return Frontier(size, tuple(hashes))


def _entry(raw: object) -> Entry:
    if not isinstance(raw, bytes):
        raise InvalidEntry("an entry is bytes")
    return parse_entry(raw)
