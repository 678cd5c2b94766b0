"""The key file and the swarm file: made once, private, and refused when anything is off."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ledger.handover import commit
from ledger.keys import PrivateKey
from symphony.core.peers.invite import make_invite
from symphony.errors import ConfigError
from symphony.identity import (
    SwarmFile,
    accept_invite,
    create_identity,
    has_identity,
    load_identity,
    load_successor,
    new_genesis,
    read_swarm,
    successor_commitment,
    write_swarm,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_key_is_made_once_and_read_back(home: Path) -> None:
    assert not has_identity(home)
    key = create_identity(home)
    assert load_identity(home).public == key.public
    path = home / "node.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == key.seed
    with pytest.raises(ConfigError, match="has an identity already") as caught:
        create_identity(home)
    assert "--home" in caught.value.hint
    assert path.read_bytes() == key.seed


def test_a_successor_is_made_with_the_key_and_may_be_taken_away(home: Path) -> None:
    key = create_identity(home)
    path = home / "successor.key"
    successor = load_successor(path)
    assert successor is not None
    assert successor.public != key.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert successor_commitment(home) == commit(successor.public)
    path.unlink()
    assert successor_commitment(home) is None
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="a key has 32 bytes"):
        successor_commitment(home)


def test_a_missing_key_says_how_to_make_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no node lives here") as caught:
        load_identity(home)
    assert caught.value.hint == f"symphony init --home {home}"
    monkeypatch.setenv("SYMPHONY_HOME", str(home))
    with pytest.raises(ConfigError) as caught:
        load_identity(home)
    assert caught.value.hint == "symphony init"


@pytest.mark.parametrize(("size", "said"), [(0, "only 0"), (31, "only 31"), (33, "more than 32")])
def test_a_key_of_another_size_is_refused(home: Path, size: int, said: str) -> None:
    create_identity(home)
    (home / "node.key").write_bytes(bytes(size))
    with pytest.raises(ConfigError, match=f"a key has 32 bytes, this file has {said}"):
        load_identity(home)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_could_read_is_refused(home: Path, mode: int) -> None:
    create_identity(home)
    path = home / "node.key"
    path.chmod(mode)
    with pytest.raises(ConfigError, match="open to other users") as caught:
        load_identity(home)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_key_that_is_a_folder_is_refused(home: Path) -> None:
    home.mkdir()
    (home / "node.key").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="can't be read"):
        load_identity(home)


def test_the_swarm_is_kept(home: Path) -> None:
    key = create_identity(home)
    assert read_swarm(home) is None
    swarm = SwarmFile(new_genesis("ours", "open", key), None, ("/ip4/10.0.0.1/tcp/1",))
    write_swarm(home, swarm)
    assert read_swarm(home) == swarm
    assert stat.S_IMODE((home / "swarm.cbor").stat().st_mode) == 0o600


def test_a_home_belongs_to_one_swarm(home: Path) -> None:
    key = create_identity(home)
    write_swarm(home, SwarmFile(new_genesis("first", "open", key)))
    with pytest.raises(ConfigError, match="belongs to the swarm 'first'") as caught:
        write_swarm(home, SwarmFile(new_genesis("second", "open", key)))
    assert "--home" in caught.value.hint


def test_a_damaged_swarm_file_is_refused(home: Path) -> None:
    key = create_identity(home)
    write_swarm(home, SwarmFile(new_genesis("ours", "open", key)))
    path = home / "swarm.cbor"
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole + b"\x00", b"", b"\xff" * 40):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match="is damaged"):
            read_swarm(home)


def test_an_invite_becomes_a_proof_and_its_secret_is_not_kept(tmp_path: Path) -> None:
    founder = PrivateKey.generate(os.urandom)
    genesis = new_genesis("ours", "invite", founder)
    secret = os.urandom(32)
    invite = make_invite(
        genesis,
        founder=founder,
        secret=secret,
        issued_ms=1,
        expires_ms=2,
        bootstrap=("/ip4/10.0.0.1/tcp/1",),
    )
    home = tmp_path / "guest"
    key = create_identity(home)
    swarm = accept_invite(home, key, invite)
    assert swarm.proof is not None
    assert read_swarm(home) == swarm
    assert swarm.bootstrap == ("/ip4/10.0.0.1/tcp/1",)
    assert secret not in (home / "swarm.cbor").read_bytes()
