"""Anna's log with a horizon in it, and the ways to spoil it."""

from __future__ import annotations

from ledger_chains import NOW_MS, SWARM, FakeSigner

from ledger import (
    Checkpoint,
    Entry,
    Frontier,
    Kind,
    commit,
    dumps,
    encode_cosign,
    encode_horizon,
    encode_pledge,
    loads,
    pack,
    parse_horizon,
    seal,
)
from ledger.limits import MIN_HORIZON_AGE_MS

ANNA, BOB, HEIR = FakeSigner("anna"), FakeSigner("bob"), FakeSigner("heir")
OLD_MS = NOW_MS - MIN_HORIZON_AGE_MS - 1000
SIZE = 11
MIB = 1 << 20


def say(log: list[Entry], kind: int, body: bytes, at_ms: int) -> Entry:
    head = log[-1].head if log else None
    hlc = pack(at_ms) + len(log)
    log.append(seal(ANNA, SWARM, head, kind=kind, body=body, hlc=hlc))
    return log[-1]


def cosign(signer: FakeSigner, claim: Checkpoint) -> Entry:
    body = encode_cosign([claim])
    return seal(signer, SWARM, None, kind=Kind.COSIGN, body=body, hlc=pack(OLD_MS))


def build(*, size=SIZE, pledged=True, age_ms=0, witnesses=("bob",)) -> list[Entry]:
    """Anna's log: `size` entries, a checkpoint, one more, the horizon, and two more."""
    log: list[Entry] = []
    if pledged:
        say(log, Kind.PLEDGE, encode_pledge(commit(HEIR.public)), OLD_MS - 99)
    while len(log) < size:
        say(log, Kind.TASK, b"%d" % len(log), OLD_MS - 99)
    frontier, last = Frontier().extend(entry.id for entry in log), log[-1].head
    claim = Checkpoint(ANNA.public, size, frontier.root())
    checkpoint = say(log, Kind.CHECKPOINT, claim.encode(), OLD_MS + age_ms)
    say(log, Kind.TASK, b"between", OLD_MS + age_ms + 1)
    cosigns = [cosign(FakeSigner(name), claim) for name in witnesses]
    first = log[0] if pledged else None
    body = encode_horizon(frontier, last, checkpoint, cosigns, first)
    say(log, Kind.HORIZON, body, NOW_MS - 500)
    for _ in range(2):
        say(log, Kind.TASK, b"after", NOW_MS - 400)
    return log


LOG = build()
AT = SIZE + 2  # where the horizon entry stands in the list
ENTRY = LOG[AT]
HORIZON = parse_horizon(ENTRY)
HORIZON_CLAIM = Checkpoint(ANNA.public, SIZE, HORIZON.frontier.root())


def altered(**fields: object) -> Entry:
    """The horizon entry with other fields, signed by its author."""
    names = {"size": 0, "peaks": 1, "last": 2, "hlc": 3, "checkpoint": 4, "cosigns": 5, "first": 6}
    body = loads(ENTRY.body) | {names[name]: value for name, value in fields.items()}
    log = LOG[:AT]
    return say(log, Kind.HORIZON, dumps({k: v for k, v in body.items() if v != ()}), NOW_MS - 500)
