"""Drawing a horizon: finding the newest checkpoint of a log that is old enough and was witnessed.

Only the author can write a horizon, and does so seldom, so nothing is kept for it: the author's
checkpoints and everybody's cosign entries are read through once, page by page.
"""

from __future__ import annotations

from ledger.checkpoint import Checkpoint, parse_checkpoint, parse_cosign
from ledger.clock import physical_ms
from ledger.entry import Entry
from ledger.errors import InvalidEntry
from ledger.horizon import encode_horizon, is_kept_below
from ledger.kinds import Kind
from ledger.limits import DROP_AFTER_MS, MAX_HORIZON_COSIGNS, MIN_HORIZON_AGE_MS
from ledger.paging import all_of
from ledger.store import Store

"""Entries read at once: at most 3 MiB of cosign entries."""


def draw(store: Store, author: bytes, now_ms: int) -> bytes | None:
    """The body of the furthest horizon that this log may have at wall-clock time `now_ms`; None if
    it has none beyond the one that it begins at. Everybody who gets it may act on it at once.
    """
    latest_ms = now_ms - MIN_HORIZON_AGE_MS - DROP_AFTER_MS
    begins = max((each.size for each in store.horizons() if each.author == author), default=0)
    old = {
        claim: entry
        for entry in all_of(store, Kind.CHECKPOINT)
        if entry.author == author
        and physical_ms(entry.hlc) <= latest_ms
        and (claim := _claim(entry)) is not None
        and claim.size > begins
    }
    seen: dict[Checkpoint, dict[bytes, Entry]] = {}
    for entry in all_of(store, Kind.COSIGN):
        if entry.author != author:
            for claim in old.keys() & _cosigned(entry):
                seen.setdefault(claim, {})[entry.author] = entry
    for claim in sorted(seen, key=lambda each: each.size, reverse=True):
        frontier, last = store.frontier(author, claim.size), store.get(author, claim.size)
        if frontier is None or last is None or frontier.root() != claim.root:
            continue
        first = store.get(author, 1)
        kept = first if first is not None and is_kept_below(first) else None
        cosigns = sorted(seen[claim].values(), key=lambda entry: len(entry.body or b""))
        shortest = cosigns[:MAX_HORIZON_COSIGNS]
        return encode_horizon(frontier, last.head, old[claim], shortest, kept)
    return None


def _claim(entry: Entry) -> Checkpoint | None:
    try:
        return parse_checkpoint(entry)
    except InvalidEntry:
        return None


def _cosigned(entry: Entry) -> frozenset[Checkpoint]:
    try:
        return frozenset(parse_cosign(entry))
    except InvalidEntry:
        return frozenset()
