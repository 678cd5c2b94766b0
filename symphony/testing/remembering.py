"""What thousands of nodes in one process compute alike is computed once.

The nodes of a large simulated swarm parse the same entries, read the same capabilities and hash
the same ledgers, each for itself. These are functions of bytes, without any state; here they are
remembered across the nodes of one run, and put back as they were when it is over. The core
remembers a few of each, too, but a thousand nodes that each hear two thousand entries in turn find
none of them there. Sharing also keeps one copy of each entry in memory instead of thousands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from ledger import reconcile
from ledger.ranges import fingerprint
from symphony.core import directory, journal

SAME_HASHES = 1_024
"""Two nodes that compare equal ledgers hash the same rows with the same salt, in turn."""
SAME_ENTRIES = 65_536
"""All that a run of 10 000 nodes and 100 tasks has, some 20 000, and as many again."""


@contextmanager
def remembering() -> Iterator[None]:
    """Within, all nodes share what they computed."""
    parse, read = journal.parse_entry, directory._read  # type: ignore[attr-defined]  # noqa: SLF001
    hashed = lru_cache(maxsize=SAME_HASHES)(_fingerprint)
    shared = (
        (reconcile, "fingerprint", lambda salt, rows: hashed(salt, tuple(rows))),
        (journal, "parse_entry", lru_cache(maxsize=SAME_ENTRIES)(parse.__wrapped__)),
        (directory, "_read", lru_cache(maxsize=SAME_ENTRIES)(read.__wrapped__)),
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in shared]
    for module, name, function in shared:
        setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def _fingerprint(salt: bytes, rows: Sequence[bytes]) -> bytes:
    return fingerprint(salt, rows)
