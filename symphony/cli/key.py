"""`symphony key`: go on under the key that this node's log committed to when it began.

The old log ends with a retire entry, the new one begins with an adopt entry (`ledger.succession`);
both are stored before any file changes. Then the new key takes the place of the old one, and a
fresh successor, to which the adopt entry commits, that of the new one. A run that was cut off is
finished by the next one.

A membership is bound to a key: in a swarm with invites the new key needs one of its own.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import facts, out_json

if TYPE_CHECKING:
    from ledger import Book, Entry, PrivateKey
    from ledger.sqlite import SqliteStore
    from symphony.core.peers.invite import Invite
    from symphony.identity import SwarmFile

key = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="This node's key.")


@key.command()
def rotate(
    successor: Annotated[
        Path | None, typer.Option(help="Where the successor's key is kept.", metavar="FILE")
    ] = None,
    invite: Annotated[
        str | None, typer.Option(help="An invite for the new key, in a swarm that wants one.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retire this node's key and go on under its successor. The node must not be running."""
    from ledger.sqlite import SqliteStore, lock_directory
    from symphony.cli.ledger import LEDGER_NAME
    from symphony.errors import ConfigError
    from symphony.identity import (
        SUCCESSOR_NAME,
        finish_take_over,
        load_identity,
        load_successor,
        next_successor,
        read_swarm,
        take_over,
    )
    from symphony.node.high_water import HighWater

    root = home_of(home)
    with ExitStack() as stack:
        load_identity(root)
        stack.enter_context(lock_directory(root))
        if finish_take_over(root):
            _report(load_identity(root), as_json=as_json)
            return
        old, swarm = load_identity(root), read_swarm(root)
        heir = load_successor(successor or root / SUCCESSOR_NAME)
        if swarm is None or not (root / LEDGER_NAME).exists():
            raise ConfigError(f"{root}: no log here to hand over", hint="symphony join")
        if heir is None:
            raise ConfigError(
                "the successor's key is not here", hint="name its file: --successor FILE"
            )
        grant = _invite(swarm, old, invite)
        store = SqliteStore.open(root / LEDGER_NAME, swarm.swarm_id)
        stack.callback(store.close)
        following = next_successor(root)
        _hand_over(root, store, swarm, old, heir, following)
        take_over(root, heir, following, grant)
        mark = HighWater(root)
        mark.raise_to(1)
        mark.close()
    _report(heir, as_json=as_json)


def _report(now: PrivateKey, *, as_json: bool) -> None:
    from ledger import did_key, peer_id

    short = now.public.hex()[:8]
    found = {"node": did_key(now.public), "short": short, "peer_id": peer_id(now.public)}
    if as_json:
        out_json(found)
    else:
        facts(found)


def _invite(swarm: SwarmFile, old: PrivateKey, token: str | None) -> Invite | None:
    """The invite for the new key, if the swarm wants one. Raises `UsageError`."""
    from symphony.core.peers.invite import parse_token
    from symphony.errors import UsageError

    rule = swarm.genesis.admission
    if rule != "open" and swarm.genesis.founder == old.public:
        raise UsageError(
            "the founder of a swarm with invites can't rotate its key yet",
            hint="its successor could revoke, but not invite",
        )
    if rule == "closed":
        raise UsageError("a closed swarm lists its keys for good", hint="found a new swarm")
    if rule == "invite" and token is None:
        raise UsageError(
            "the new key needs an invite of its own", hint="ask a founder, then --invite TOKEN"
        )
    if token is None:
        return None
    found = parse_token(token)
    if found.parsed_genesis().swarm_id != swarm.swarm_id:
        raise UsageError("this invite is for another swarm", hint="ask this swarm's founder")
    return found


def _hand_over(
    root: Path,
    store: SqliteStore,
    swarm: SwarmFile,
    old: PrivateKey,
    heir: PrivateKey,
    following: PrivateKey,
) -> None:
    """Store what ends the old log and begins the new one. Raises `LedgerInvalid`."""
    from ledger import Book, commit, succession, verify
    from symphony.errors import LedgerInvalid

    book = Book(swarm.swarm_id, verify, anchors=swarm.genesis.anchors)
    book.restore(store.heads(), store.forks())
    for entry in succession.remembered(store):
        book.succession.note(entry)
    if book.succession.commitment(old.public) != commit(heir.public):
        raise LedgerInvalid(
            "this node's log did not commit to that key when it began",
            hint="only the key that was made with this home can take over",
        )
    if book.head(heir.public) is None:
        store.append(_entries(root, store, book, old, heir, following))


def _entries(
    root: Path,
    store: SqliteStore,
    book: Book,
    old: PrivateKey,
    heir: PrivateKey,
    following: PrivateKey,
) -> list[Entry]:
    from ledger import Adopt, Kind, commit, encode_retire, pack, seal
    from symphony.cli.ledger_horizon import checked_head
    from symphony.errors import LedgerInvalid

    now, swarm_id, made = pack(time.time_ns() // 1_000_000), book.swarm_id, []
    head = book.head(old.public)
    if book.frozen_at(old.public) is None:  # a forked log is closed already
        head = checked_head(root, store, old)
        hlc = max(now, head.hlc + 1 if head else 0)
        body = encode_retire(heir.public)
        made.append(seal(old, swarm_id, head, kind=Kind.RETIRE, body=body, hlc=hlc))
        head = made[-1].head
    if head is None:
        raise LedgerInvalid("nothing of this node's log counts", hint="symphony init")
    adopt = Adopt(old.public, head.seq, head.id, commit(following.public))
    body, refs = adopt.encode(), (head.id,)
    made.append(seal(heir, swarm_id, None, kind=Kind.ADOPT, body=body, hlc=now, refs=refs))
    return made
