"""Every bound of the ledger, each with its reason.

A bound is part of the format where the comment says *format*: two nodes with different values
would disagree on what a valid entry is. The others are local and may differ between nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

# --- format ---------------------------------------------------------------------------------
MAX_DEPTH = 8
"""Format. Nested containers in one CBOR value: our deepest body nests 5; also ends recursion."""

MAX_VALUE_BYTES = 64 * KIB
"""One decoded value: a network frame. Four times the largest body."""

MAX_ITEMS = 8192
"""Items in all arrays and maps of one decoded value: bounds the time and memory that 64 KiB of
one-byte items could take to about 10 ms and 1 MiB. A full page of heads has 2 560."""

MAX_UINT63 = 2**63 - 1
"""Format. Largest seq, hlc, kind and expiry: fits the signed integers of any database. As an
hlc it is the year 6429."""

MAX_HEADER_BYTES = 512
"""Format. All fields at their longest, with 8 refs, take 426 bytes."""

MAX_BODY_BYTES = 16 * KIB
"""Format. A verdict with 64 ballots is about 10 KiB; larger things travel as blobs by hash."""

MAX_REFS = 8
"""Format. A verdict refers to its task and up to M = 7 results."""

MAX_ENTRY_BYTES = MAX_HEADER_BYTES + MAX_BODY_BYTES + 64 + 16
"""Header, body, signature, and the CBOR heads around them (at most 9 bytes)."""

MAX_PROOF_BYTES = 2 * (MAX_HEADER_BYTES + 64) + 16
"""A fork proof: two headers, two signatures, five CBOR heads (at most 11 bytes)."""

# --- clock ----------------------------------------------------------------------------------
MAX_FUTURE_MS = 5 * 60 * 1000
"""An entry dated further ahead is held back: unsynchronised clocks rarely differ by minutes."""

MAX_PUSH_MS = 60 * 1000
"""Peers never push our clock further than this ahead of our own time."""

# --- retention ------------------------------------------------------------------------------
FIRST_OWN_KIND = 16
"""Format. Kinds from here on are the ledger's own, or not known yet: their bodies are kept."""

DROP_AFTER_MS = 60 * 60 * 1000
"""How long a body outlives its expiry: an hour is more than clocks of one swarm differ by."""

MAX_HORIZON_COSIGNS = 8
"""Format. Cosign entries in a horizon; one is some 300 bytes, and three are asked for."""

MIN_HORIZON_AGE_MS = 30 * 24 * 60 * 60 * 1000
"""How old the checkpoint of a horizon must be: a month to find a fork below it."""

# --- checkpoints ----------------------------------------------------------------------------
MAX_COSIGNED = 64
"""Format. Checkpoints that one entry cosigns; each takes up to 79 bytes."""

MAX_COSIGNATURES = 32
"""Cosign entries looked at for one checkpoint: ten times as many as are asked for."""

MAX_PROOF_HASHES = 64
"""Hashes in an inclusion proof: a tree of 2^63 leaves is no higher."""

# --- succession -----------------------------------------------------------------------------
MAX_SUCCESSIONS = 64
"""Keys that followed one another which are looked through: one a month for five years."""

# --- memory ---------------------------------------------------------------------------------
MAX_CACHED_KEYS = 4096
"""Parsed public keys kept: one per author that speaks; about 1 MiB."""

MAX_PARSED_ENTRIES = 1024
"""Entries whose parsed form is kept for when the same bytes come again, in one process: 1 MiB for
usual entries, 17 MiB if all are as large as can be."""

MAX_HEADS_PER_FRAME = 512
"""A head takes at most 89 bytes, so a page of heads stays below 48 KiB."""

MAX_WANTS_PER_FRAME = 256
"""Ranges asked for in one go; the rest follows in the next round."""

MAX_WANT_ENTRIES = 1024
"""Entries asked for per author and round: a hostile head of seq 2^63 costs no more than this."""

RECONCILE_FROM_LOGS = 128
"""With fewer logs the heads vector is sent: at most 11 KiB, and one round trip instead of three."""

RECONCILE_FANOUT = 16
"""Format. Parts of a range whose fingerprints differ; also the most logs that are listed one by
one instead of being split again. Measured: of 10 000 logs 8 parts take a round trip more, 32 take
more bytes."""

MAX_RECONCILE_ROUNDS = 8
"""Requests of one reconciliation. Ten changed logs among 10 000 take three; whatever is left
after eight is for the heads vector."""

MAX_RECONCILE_RANGES = 2048
"""Ranges in one frame; at 22 bytes each they take 44 KiB."""

MAX_RECONCILE_ITEMS = 16_384
"""CBOR items in one frame: five for each range, four for each of the 740 heads that fit."""

ENTRY_OVERHEAD_BYTES = 1024
"""What the Python objects of one parsed entry take besides its bytes, roughly."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The local bounds of a `Book`; tests make them small."""

    pending_per_author: int = 256
    """How far ahead of a log's head an early entry is kept: gossip reorders tens of entries."""

    pending_bytes: int = 32 * MIB
    """All early entries together. Sync delivers in order, so it works even when this is full."""

    unknown_authors: int = 16_384
    """Logs that nobody vouched for: stops a crowd of invented keys from filling the disk. As many
    as members, because to who just joined a swarm of 10 000 nodes nearly all are unknown; at 8 KiB
    each, 128 MiB."""

    known_authors: int = 16_384
    """Logs that the application vouched for: its members. At 8 KiB each, 128 MiB."""

    recent_per_author: int = 8
    """Latest headers kept per log, to meet a fork without asking the store; about 8 KiB."""

    recent_ids: int = 8192
    """Ids kept of the latest entries of all logs together, 1 MiB: what was handed over is gossiped
    soon after, and is known again without asking the store."""

    rate_per_s: int = 20
    """Entries per second and author. A busy conductor writes about 15 a task."""

    rate_burst: int = 1_400
    """Entries of an author that may be heard at once: 200 that it may say at once, and what it may
    say in the minute that a connection, or our own node, stands still at the most. To check their
    signatures takes some 0.3 s."""
