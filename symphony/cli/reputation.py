"""`symphony reputation`: what the ledger says of every agent, alike everywhere. Needs no node.

*At a checkpoint* means: from all entries stamped no later than it. Two nodes whose ledgers agree
up to there print the same digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symphony.cli.ledger import opened
from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import facts, out_json, table

if TYPE_CHECKING:
    from ledger.entry import Entry
    from ledger.sqlite import SqliteStore
    from symphony.core.votes.reputation import Reputation

MIN_PREFIX = 8  # hexadecimal digits of an id: enough to tell checkpoints apart


def reputation(
    at: Annotated[
        str | None,
        typer.Option(
            help="A checkpoint entry's id, or how that begins; else all of the ledger.",
            metavar="CHECKPOINT",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """How reliable every agent has been, from probes and votes in the ledger."""
    import hashlib

    from symphony.core.votes.reputation import REPUTATION

    with opened(home_of(home)) as (store, _):
        at_ms = _moment(store, at)
        found = _computed(store, at_ms)
    _refuse_gaps(found)
    digest = hashlib.sha256(REPUTATION.encode(found)).hexdigest()
    if as_json:
        out_json(_plain(found, digest))
        return
    facts({"at": _when(found.at_ms), "digest": digest, "entries": found.entries})
    table(
        ("node", "agent", "skill", "right", "wrong", "at least", "state"),
        (
            (
                row.node.hex()[:8],
                row.agent,
                row.skill,
                f"{row.right_milli / 1000:.1f}",
                f"{row.wrong_milli / 1000:.1f}",
                f"{row.bound / 10_000:.1f}%",
                row.state,
            )
            for row in found.standings
        ),
        empty="no probe and no vote of three ballots yet: all agents stand at the floor",
    )


def _computed(store: SqliteStore, at_ms: int) -> Reputation:
    from symphony.core.votes.reputation import reputation as compute

    forked = frozenset(proof.author for proof in store.forks())
    return compute(_evidence(store), at_ms, forked)


def _evidence(store: SqliteStore) -> Iterator[Entry]:
    """All entries that may hold evidence, page by page."""
    from ledger.kinds import Kind
    from ledger.paging import all_of

    for kind in (Kind.PROBE, Kind.VERDICT):
        yield from all_of(store, kind)


def _moment(store: SqliteStore, at: str | None) -> int:
    """The time of a checkpoint, or of the newest entry. Raises `UsageError` for an unknown one."""
    from ledger.clock import physical_ms
    from ledger.kinds import Kind
    from ledger.paging import all_of
    from symphony.errors import UsageError

    if at is None:
        return max((physical_ms(head.hlc) for head in store.heads()), default=0)
    prefix = at.lower()
    if len(prefix) < MIN_PREFIX or set(prefix) - set("0123456789abcdef"):
        raise UsageError(
            f"--at {at[:80]!r} is no id", hint=f"give {MIN_PREFIX} to 64 hexadecimal digits"
        )
    all_checkpoints = all_of(store, Kind.CHECKPOINT)
    found = [entry for entry in all_checkpoints if entry.id.hex().startswith(prefix)]
    if len(found) != 1:
        text = "no checkpoint" if not found else f"{len(found)} checkpoints"
        raise UsageError(
            f"{text} in this ledger begins with {at[:80]}",
            hint="`symphony ledger log --json` shows them; a new one may not have arrived yet",
        )
    return physical_ms(found[0].hlc)


def _refuse_gaps(found: Reputation) -> None:
    from symphony.errors import LedgerInvalid

    if found.missing:
        raise LedgerInvalid(
            f"{found.missing} of {found.entries + found.missing} entries that count lack their "
            "body here: it was forgotten in time",
            hint="ask at a later checkpoint, or a node with an export of that time",
        )


def _plain(found: Reputation, digest: str) -> dict[str, Any]:
    from symphony.core.events import as_json

    value = as_json(found)
    assert isinstance(value, dict)
    return {"digest": digest, **value}


def _when(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
