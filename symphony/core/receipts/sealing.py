"""Completing receipts: the seal is looked for in the ledger when a receipt is fetched.

The end of a task can't wait for it: a checkpoint of the conductor's log comes within a minute,
or as soon as somebody asks for a receipt, and cosignatures a second or so later. So a receipt
begins without a seal, and whenever it is handed out it gets the best that the ledger gives by
then.

Of the checkpoints that cover the verdict the one is taken that had enough witnesses first, else
that with the most. A newer one would show nothing more of these entries, with longer proofs; and
so a receipt that is fully sealed is the same bytes every time.

Everything here reads in bounded pages, each through `disk`, so that whoever owns the store can
append in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from ledger import (
    Checkpoint,
    Entry,
    Frontier,
    Kind,
    Store,
    Tree,
    parse_checkpoint,
    parse_cosign,
    parse_entry,
)
from ledger.errors import InvalidEntry
from symphony.core import limits
from symphony.core.logs.inclusion import Seal, make_seal
from symphony.core.receipts.receipt import RECEIPT

T = TypeVar("T")


class Disk(Protocol):
    """Runs something with the store, and waits for it."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


class Sealer:
    """Completes receipts from one store."""

    def __init__(self, store: Store, disk: Disk) -> None:
        self._store = store
        self._disk = disk
        self._start: tuple[bytes, Frontier] = (b"", Frontier())
        """The frontier before the receipt that was sealed last: the next is often near."""

    def complete(self, receipt: bytes) -> tuple[bytes, int | None]:
        """The receipt with the best seal there is, and how many witnesses it has; None if its
        log has no checkpoint yet that covers it. Raises `ledger.DecodeError` or `InvalidEntry`
        for bytes that are no receipt.
        """
        parsed = RECEIPT.decode(receipt)
        kept = None if parsed.seal is None else len(parsed.seal.cosigns)
        if kept is not None and kept >= limits.WITNESSES:
            return receipt, kept
        *_, last = entries = [parse_entry(raw) for raw in parsed.entries]
        found = self._search(last)
        if found is None or (kept is not None and len(found[1]) <= kept):
            return receipt, kept
        checkpoint, cosigns = found
        own = [entry for entry in entries if entry.author == last.author]
        seal = self._seal(checkpoint, cosigns, own)
        if seal is None:
            return receipt, kept
        return RECEIPT.encode(replace(parsed, seal=seal)), len(cosigns)

    def _search(self, verdict: Entry) -> tuple[Entry, list[Entry]] | None:
        """The best checkpoint that covers this entry, and who cosigned it."""
        row = self._disk(partial(self._store.rowid, verdict.author, verdict.seq))
        if row is None:
            return None
        frozen = {proof.author for proof in self._disk(self._store.forks)}
        covering: dict[Checkpoint, Entry] = {}
        first_row = 0
        for at, entry in self._rows(Kind.CHECKPOINT, row):
            claim = _checkpoint(entry) if entry.author == verdict.author else None
            if claim is not None and claim.size >= verdict.seq:
                covering[claim] = entry
                first_row = first_row or at
            if len(covering) == limits.MAX_COVERING:
                break
        if not covering or verdict.author in frozen:
            return None
        seen: dict[Checkpoint, dict[bytes, Entry]] = {claim: {} for claim in covering}
        for _, entry in self._rows(Kind.COSIGN, first_row):
            if entry.author == verdict.author or entry.author in frozen:
                continue
            for claim in _claims(entry):
                if claim in seen:
                    seen[claim].setdefault(entry.author, entry)
                    if len(seen[claim]) == limits.WITNESSES:
                        return covering[claim], list(seen[claim].values())
        best = max(seen, key=lambda claim: len(seen[claim]))  # the first of equals
        return covering[best], list(seen[best].values())

    def _rows(self, kind: Kind, after: int) -> Iterator[tuple[int, Entry]]:
        """Entries of a kind behind a row, as many as are worth looking at."""
        for _ in range(limits.SEAL_PAGES):
            read = partial(
                self._store.by_kind, kind, after_rowid=after, limit=limits.SEAL_PAGE_ENTRIES
            )
            page = self._disk(read)
            yield from page
            if len(page) < limits.SEAL_PAGE_ENTRIES:
                return
            after = page[-1][0]

    def _seal(self, checkpoint: Entry, cosigns: list[Entry], own: list[Entry]) -> Seal | None:
        """None if the log's older entries are not here any more."""
        author, size = checkpoint.author, parse_checkpoint(checkpoint).size
        before = own[0].seq - 1
        kept_author, start = self._start
        if kept_author != author or start.size > before:
            start = self._beginning(author)
        while start.size < before:
            ids = self._ids(author, start.size + 1, before)
            if not ids:
                return None
            start = start.extend(ids)
        self._start = (author, start)
        if start.size > before:
            return None
        leaves: list[bytes] = []
        while before + len(leaves) < size:
            ids = self._ids(author, before + len(leaves) + 1, size)
            if not ids:
                return None
            leaves += ids
        return make_seal(checkpoint, cosigns, own, Tree(leaves, start))

    def _beginning(self, author: bytes) -> Frontier:
        """The tree of what lies below the log's horizon, if it has one."""
        horizons = self._disk(self._store.horizons)
        return next((h.frontier for h in horizons if h.author == author), Frontier())

    def _ids(self, author: bytes, first: int, last: int) -> list[bytes]:
        last = min(last, first + limits.SEAL_PAGE_IDS - 1)
        return self._disk(partial(self._store.ids, author, first, last))


def _checkpoint(entry: Entry) -> Checkpoint | None:
    try:
        return parse_checkpoint(entry)
    except InvalidEntry:
        return None  # of a program that writes other ones


def _claims(entry: Entry) -> list[Checkpoint]:
    try:
        return parse_cosign(entry)
    except InvalidEntry:
        return []  # signed nonsense of its author
