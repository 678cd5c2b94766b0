"""Entries of evidence as anybody could write them, signed and stamped."""

import hashlib

from ledger import Entry, HybridClock, Kind, Signer, seal
from symphony.core.ids import SwarmId
from symphony.core.records import (
    PROBE,
    VERDICT,
    Ballot,
    ProbeOutcome,
    ProbeRecord,
    VerdictRecord,
)

SWARM = SwarmId(hashlib.sha256(b"a swarm").digest())
T0_MS = 1_700_000_000_000


def said(signer: Signer, kind: Kind, body: bytes, at_ms: int) -> Entry:
    return seal(signer, SWARM, None, kind=kind, body=body, hlc=HybridClock().tick(at_ms))


def probe(
    signer: Signer, node: bytes, right: int, wrong: int, *, at_ms: int, skill: str = "math"
) -> Entry:
    """So often was the solver of a node right, and so often wrong."""
    outcomes = tuple(
        ProbeOutcome(node, "solver", skill, bytes(32), at < right) for at in range(right + wrong)
    )
    return said(signer, Kind.PROBE, PROBE.encode(ProbeRecord(outcomes)), at_ms)


def verdict(signer: Signer, votes: list[tuple[bytes, str]], *, at_ms: int) -> Entry:
    """On ballots of nodes, with their answers; the most frequent one won."""
    answers = [answer for _, answer in votes]
    digest = {answer: hashlib.sha256(answer.encode()).digest() for answer in answers}
    ballots = tuple(
        Ballot(chain, bytes(32), node, "solver", "math", digest[answer], 1)
        for chain, (node, answer) in enumerate(votes)
    )
    record = VerdictRecord(
        task=bytes(16),
        outcome="answered",
        rule="majority",
        version=1,
        ballots=ballots,
        settled="exact",
        outstanding=0,
        drawn=len(ballots),
        stop="",
        tokens=0,
        failovers=0,
        winner=digest[max(answers, key=answers.count)],
    )
    return said(signer, Kind.VERDICT, VERDICT.encode(record), at_ms)
