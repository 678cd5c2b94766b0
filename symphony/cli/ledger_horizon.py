"""`symphony ledger horizon`: let this node's log begin later, for itself and for everybody.

It is a decision of the log's owner, so no node takes it by itself: what lies below is forgotten
by all who have the horizon, and can't be shown to anybody any more.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import out, out_json

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import Entry, Head, PrivateKey
    from ledger.sqlite import SqliteStore


def horizon(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Put a horizon into this node's log, at its newest witnessed checkpoint of a month ago; all
    nodes may then forget what is older. The node must not be running.
    """
    from ledger import parse_horizon
    from ledger.sqlite import SqliteStore, lock_directory
    from symphony.cli.ledger import LEDGER_NAME
    from symphony.errors import ConfigError
    from symphony.identity import load_identity, read_swarm

    root = home_of(home)
    swarm = read_swarm(root)
    if swarm is None or not (root / LEDGER_NAME).exists():
        raise ConfigError(f"{root}: no ledger here", hint="it is made by: symphony join")
    with ExitStack() as stack:
        stack.enter_context(lock_directory(root))
        store = SqliteStore.open(root / LEDGER_NAME, swarm.swarm_id)
        stack.callback(store.close)
        key = load_identity(root)
        head = checked_head(root, store, key)
        entry = _write(root, store, key, swarm.swarm_id, head)
    size = None if entry is None else parse_horizon(entry).size
    if as_json:
        out_json({"size": size, "entry": None if entry is None else entry.id.hex()})
    elif size is None:
        out("nothing to do: no checkpoint beyond the last horizon is a month old and witnessed")
    else:
        out(f"the log begins behind entry {size} from now on, here and soon everywhere")


def checked_head(root: Path, store: SqliteStore, key: PrivateKey) -> Head | None:
    """The end of the own log, if it is sure that it ends there. Raises `LedgerInvalid`."""
    from symphony.errors import LedgerInvalid
    from symphony.node.high_water import HighWater

    head = next((each for each in store.heads() if each.author == key.public), None)
    mark = HighWater(root)
    try:
        short = mark.seq > (head.seq if head else 0) or not mark.in_place
    finally:
        mark.close()
    if any(proof.author == key.public for proof in store.forks()):
        raise LedgerInvalid("this node's log is forked", hint="go on under a new key")
    if head is not None and short:
        raise LedgerInvalid(
            "this home is a copy, or lost entries: nobody here knows where its log ends",
            hint="start the node once, so that its peers can tell",
        )
    return head


def _write(
    root: Path, store: SqliteStore, key: PrivateKey, swarm_id: bytes, head: Head | None
) -> Entry | None:
    """Append the horizon and begin there; None if there is none to be had."""
    from ledger import Kind, pack, parse_horizon, seal
    from ledger.drawing import draw
    from symphony.node.high_water import HighWater

    now_ms = time.time_ns() // 1_000_000
    body = draw(store, key.public, now_ms)
    if body is None or head is None:
        return None
    hlc = max(pack(now_ms), head.hlc + 1)
    entry = seal(key, swarm_id, head, kind=Kind.HORIZON, body=body, hlc=hlc)
    store.append([entry])
    mark = HighWater(root)
    mark.raise_to(entry.seq)
    mark.close()
    store.begin(parse_horizon(entry))
    return entry
