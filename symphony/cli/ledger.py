"""`symphony ledger`: look at the log of signed entries, and check every one. Needs no node."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import counted, out, out_json, table

if TYPE_CHECKING:
    from ledger.entry import Entry
    from ledger.sqlite import SqliteStore

LEDGER_NAME = "ledger.sqlite"
_BEGINNING = re.compile(r"[0-9a-fA-F]{1,63}")
PAGE = 500  # entries read at once
ledger = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The signed log: look at it, verify it."
)


@ledger.command()
def log(
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many.", min=1)] = 50,
    author: Annotated[
        str | None, typer.Option(help="Only of this node: how its key begins, did:key or peer id.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(help="The oldest after this position.", min=0)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The newest entries, in the order in which they came here; NDJSON with --json."""
    with opened(home_of(home)) as (store, _):
        key = None if author is None else _key(author, [head.author for head in store.heads()])
        newest = after is None
        rows = _newest(store, key, limit) if newest else _following(store, key, limit, after or 0)
    if as_json:
        for position, entry in rows:
            out_json(_plain(position, entry))
        return
    table(
        ("position", "when", "author", "seq", "kind", "bytes", "id"),
        (
            (
                position,
                _when(entry.hlc),
                entry.author.hex()[:8],
                entry.seq,
                kind_name(entry.kind),
                entry.header.body_bytes,
                entry.id.hex()[:16],
            )
            for position, entry in rows
        ),
        empty="the ledger is empty",
    )


@ledger.command()
def verify(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check every hash, link and signature that is stored here. Exits 7 if one does not hold."""
    from ledger.keys import verify as check
    from symphony.errors import LedgerInvalid

    with opened(home_of(home)) as (store, _):
        problems = list(store.verify_all(check))
        heads = store.heads()
        forks = len(store.forks()) if not problems else None
    entries = sum(head.seq for head in heads)
    if as_json:
        out_json(
            {
                "ok": not problems,
                "logs": len(heads),
                "entries": entries,
                "forks": forks,
                "problems": [
                    {"author": p.author.hex(), "seq": p.seq, "text": p.text} for p in problems
                ],
            }
        )
    elif not problems:
        out(f"ok: {entries} entries in {counted(len(heads), 'log')}, {forks} proven forks")
    if problems:
        first = problems[0]
        author = first.author.hex()[:8]
        raise LedgerInvalid(
            f"{len(problems)} problems; the first: entry {first.seq} of {author}: {first.text}",
            hint="stop the node, move ledger.sqlite away, and let it fetch the ledger anew",
        )


def _following(
    store: SqliteStore, author: bytes | None, limit: int, after: int
) -> list[tuple[int, Entry]]:
    """The oldest entries behind a position, at most so many."""
    rows: list[tuple[int, Entry]] = []
    while len(rows) < limit:
        page = store.entries(author=author, limit=min(PAGE, limit - len(rows)), after=after)
        if not page:
            break
        rows += page
        after = page[-1][0]
    return rows


def _newest(store: SqliteStore, author: bytes | None, limit: int) -> list[tuple[int, Entry]]:
    """The last entries, found from the end: a year's ledger need not be read for them."""
    end = 1
    while store.entries(limit=1, after=end):
        end *= 2
    end = bisect_left(range(end), 1, key=lambda at: not store.entries(limit=1, after=at))
    span = limit
    while True:
        after = max(0, end - span)
        rows = _following(store, author, end, after)
        if len(rows) >= limit or not after:
            return rows[-limit:]
        span *= 4


@contextmanager
def opened(home: Path) -> Iterator[tuple[SqliteStore, bytes]]:
    from ledger.sqlite import SqliteStore
    from symphony.errors import ConfigError
    from symphony.identity import read_swarm

    swarm = read_swarm(home)
    path = home / LEDGER_NAME
    if swarm is None or not path.exists():
        raise ConfigError(f"{home}: no ledger here", hint="it is made by: symphony join")
    store = SqliteStore.open_readonly(path, swarm.swarm_id)
    try:
        yield store, swarm.swarm_id
    finally:
        store.close()


def _plain(position: int, entry: Entry) -> dict[str, Any]:
    """An entry as JSON: hexadecimal ids, the body decoded generically."""
    return {
        "position": position,
        "entry": entry.id.hex(),
        "author": entry.author.hex(),
        "seq": entry.seq,
        "kind": kind_name(entry.kind),
        "wall_ms": entry.hlc >> 16,
        "size_bytes": entry.header.body_bytes,
        "body": _body(entry.body),
    }


def _body(body: bytes | None) -> Any:
    from ledger.codec import loads
    from ledger.errors import DecodeError

    if body is None:
        return None
    try:
        return json_ready(loads(body))
    except DecodeError:
        return body.hex()


def json_ready(value: Any) -> Any:
    """A decoded CBOR value as JSON: bytes as hexadecimal, keys as text."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {
                key.hex() if isinstance(key, bytes) else str(key): json_ready(inner)
                for key, inner in value.items()
            }
        case list():
            return [json_ready(inner) for inner in value]
        case _:
            return value


def kind_name(number: int) -> str:
    from ledger.kinds import Kind

    return Kind(number).name.lower() if number in list(Kind) else str(number)


def _when(hlc: int) -> str:
    return datetime.fromtimestamp((hlc >> 16) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _key(text: str, authors: Sequence[bytes]) -> bytes:
    """The key that a text names, in full or by how it begins in hexadecimal, as logs show it."""
    from ledger.errors import KeyRefused
    from ledger.keys import admit_public_key, parse_did_key, parse_peer_id
    from symphony.errors import UsageError

    try:
        if text.startswith("did:"):
            return parse_did_key(text)
        if len(text) == 64:
            return admit_public_key(bytes.fromhex(text))
        if not _BEGINNING.fullmatch(text):
            return parse_peer_id(text)
    except (KeyRefused, ValueError) as error:
        raise UsageError(f"--author: {error}", hint="`symphony peers` shows the ids") from None
    found = [author for author in authors if author.hex().startswith(text.lower())]
    if len(found) != 1:
        raise UsageError(
            f"--author: {counted(len(found), 'log')} here of a node whose key begins with {text}",
            hint="give more of the key" if found else "symphony ledger log shows the authors",
        )
    return found[0]
