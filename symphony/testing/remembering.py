"""What thousands of nodes in one process compute alike is computed once.

The nodes of a large simulated swarm parse the same entries, read the same capabilities and hash
the same ledgers, each for itself. These are functions of bytes, without any state; here they are
remembered across the nodes of one run, and put back as they were when it is over. The core
remembers a few of each, too, but a thousand nodes that each hear two thousand entries in turn find
none of them there. Sharing also keeps one copy of each entry in memory instead of thousands.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from ledger import reconcile
from ledger.ranges import fingerprint
from symphony.core.logs import journal
from symphony.core.records import CAPABILITY

SAME_HASHES = 65_536
"""Two nodes that compare equal ledgers hash the same rows with the same salt, in turn: 16 for each
comparison that is under way.
"""
SAME_ENTRIES = 65_536
"""All that a run of 10 000 nodes and 100 tasks has, some 20 000, and as many again."""


@contextmanager
def remembering() -> Iterator[None]:
    """Within, all nodes share what they computed."""
    parse, read = journal.parse_entry, CAPABILITY._read  # type: ignore[attr-defined]  # noqa: SLF001
    shared = (
        (reconcile, "fingerprint", Fingerprints()),
        (journal, "parse_entry", lru_cache(maxsize=SAME_ENTRIES)(parse.__wrapped__)),
        (CAPABILITY, "_known", lru_cache(maxsize=SAME_ENTRIES)(read)),
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in shared]
    for module, name, function in shared:
        setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


class Fingerprints:
    """`ledger.ranges.fingerprint`, remembered by a hash of the rows that is quick to make, since
    the rows are the same objects; the rows themselves, 80 KB a comparison, are not kept.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, int, int], bytes] = OrderedDict()

    def __call__(self, salt: bytes, rows: Sequence[bytes]) -> bytes:
        key = (salt, len(rows), hash(tuple(rows)))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = fingerprint(salt, rows)
            if len(self._known) > SAME_HASHES:
                self._known.popitem(last=False)
        return found
