"""`symphony key rotate`: the old log ends, the new one begins, and a cut-off run is finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import (
    Book,
    Kind,
    PrivateKey,
    did_key,
    encode_pledge,
    fork,
    pack,
    seal,
    succession,
    verify,
)
from ledger.sqlite import SqliteStore
from symphony import identity
from symphony.core.peers.invite import make_invite
from symphony.identity import load_identity, load_successor, read_swarm, successor_commitment
from symphony.node.high_water import HighWater

from .conftest import Run

NOW_MS = 1_700_000_000_000


def begin(home: Path) -> None:
    """The node has run, and written what nodes write first: a pledge, unless it is the founder."""
    swarm, key = read_swarm(home), load_identity(home)
    commitment = successor_commitment(home)
    assert swarm is not None
    assert commitment is not None
    body = encode_pledge(commitment)
    first = seal(key, swarm.swarm_id, None, kind=Kind.PLEDGE, body=body, hlc=pack(NOW_MS))
    second = seal(key, swarm.swarm_id, first.head, kind=Kind.TASK, body=b"", hlc=pack(NOW_MS + 1))
    store = SqliteStore.open(home / "ledger.sqlite", swarm.swarm_id)
    store.append([first, second])
    store.close()
    mark = HighWater(home)
    mark.raise_to(2)
    mark.close()


def speakers(home: Path, *keys: bytes) -> list[bytes]:
    """Who speaks for these keys, by the ledger of this home."""
    swarm = read_swarm(home)
    assert swarm is not None
    store = SqliteStore.open_readonly(home / "ledger.sqlite", swarm.swarm_id)
    book = Book(swarm.swarm_id, verify, anchors=swarm.genesis.anchors)
    book.restore(store.heads(), store.forks())
    for entry in succession.remembered(store):
        book.succession.note(entry)
    store.close()
    return [book.succession.speaker(key) for key in keys]


def test_a_key_is_handed_over_again_and_again(run: Run, home: Path) -> None:
    run("init", "--admission", "open")
    begin(home)
    keys = [load_identity(home).public]
    for _ in range(3):
        successor = load_successor(home / "successor.key")
        assert successor is not None
        report = run("key", "rotate", "--json").json()
        assert load_identity(home).public == successor.public
        assert report["node"] == did_key(successor.public)
        keys.append(successor.public)
        assert speakers(home, *keys) == [keys[-1]] * len(keys)
        assert run("ledger", "verify").code == 0
        mark = HighWater(home)
        assert (mark.seq, mark.in_place) == (1, True)
        mark.close()
    assert not (home / "successor.next").exists()


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_run_that_was_cut_off_is_finished(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Three files are written: the key after the next, the key, its successor."""
    run("init", "--admission", "open")
    begin(home)
    old, heir = load_identity(home).public, load_successor(home / "successor.key")
    assert heir is not None
    written, left = identity.write_private, [at]

    def cut(path: Path, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError
        written(path, data)

    with monkeypatch.context() as dying:
        dying.setattr(identity, "write_private", cut)
        assert run("key", "rotate").code != 0
    assert load_identity(home).public == (heir.public if at == 2 else old)
    assert speakers(home, old) == [old if at == 0 else heir.public]
    assert run("key", "rotate").code == 0
    assert load_identity(home).public == speakers(home, old)[0] == heir.public
    following = load_successor(home / "successor.key")
    assert following is not None
    assert following.public not in (old, heir.public)
    assert not (home / "successor.next").exists()
    assert run("ledger", "verify").code == 0


def test_a_forked_log_goes_on_under_its_successor(run: Run, home: Path) -> None:
    run("init", "--admission", "open")
    begin(home)
    swarm, key = read_swarm(home), load_identity(home)
    assert swarm is not None
    store = SqliteStore.open(home / "ledger.sqlite", swarm.swarm_id)
    first, second = store.range(key.public, 1, 2, 1 << 20)
    hlc = pack(NOW_MS + 9)
    other = seal(key, swarm.swarm_id, first.head, kind=Kind.TASK, body=b"a copy", hlc=hlc)
    proof = fork.find(second, other)
    assert proof is not None
    store.add_fork(proof)
    store.close()
    assert run("key", "rotate").code == 0
    assert speakers(home, key.public) == [load_identity(home).public] != [key.public]
    assert run("ledger", "verify").code == 0


def test_what_can_not_be_rotated_says_why(run: Run, home: Path) -> None:
    assert run("key", "rotate").code == 2
    run("init")
    begin(home)
    assert "founder" in run("key", "rotate").err


def test_a_key_that_was_not_committed_to_is_refused(run: Run, home: Path) -> None:
    run("init", "--admission", "open")
    begin(home)
    before = load_identity(home).public
    other = home / "other.key"
    other.write_bytes(bytes(32))
    other.chmod(0o600)
    assert run("key", "rotate", "--successor", str(other)).code == 7
    assert run("key", "rotate", "--successor", str(home / "none")).code == 2
    assert load_identity(home).public == before
    assert speakers(home, before) == [before]


def test_a_member_needs_an_invite_for_its_new_key(run: Run, home: Path) -> None:
    founder = PrivateKey(b"f" * 32)
    genesis = identity.new_genesis("theirs", "invite", founder)
    times = {"issued_ms": NOW_MS, "expires_ms": NOW_MS * 2}
    invites = [
        make_invite(genesis, founder=founder, secret=bytes([n]) * 32, **times) for n in (1, 2)
    ]
    key = identity.create_identity(home)
    identity.accept_invite(home, key, invites[0])
    begin(home)
    assert "invite of its own" in run("key", "rotate").err
    other = make_invite(
        identity.new_genesis("other", "invite", founder), founder=founder, secret=bytes(32), **times
    )
    assert "another swarm" in run("key", "rotate", "--invite", other.token()).err
    assert load_identity(home).public == key.public
    run("key", "rotate", "--invite", invites[1].token())
    swarm = read_swarm(home)
    assert swarm is not None
    assert swarm.proof is not None
    assert load_identity(home).public == speakers(home, key.public)[0] != key.public
