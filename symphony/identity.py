"""Who this node is: its key, and the swarm it belongs to.

`node.key` is the 32 raw bytes of an Ed25519 seed and nothing else: a file that can't be parsed
wrongly. Its public half is at once the node's id, the author of its ledger and, in their text
forms, its `did:key` and libp2p peer id. Losing the file is losing the identity; a copy of it on
a second machine is a fork of the ledger. So it is created exclusively, never overwritten, and
refused when other users of the machine could have read it.

`successor.key` is the seed of the key that may follow this one (`ledger.succession`). A node
commits to its hash when its log begins; it is needed once, to hand over, and is best kept on
another disk until then, because a thief of both files can hand over as well.

`swarm.cbor` holds what the node must show to be let in: the genesis, and its proof of
membership. One home belongs to one swarm for good, because one log does (`write_swarm` refuses
to change it).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Len

from ledger.errors import DecodeError
from ledger.handover import commit
from ledger.keys import PrivateKey
from symphony.config import FILE_MODE, check_private, make_home, resolve_home, write_private
from symphony.core.peers.admission import Proof, parse_proof, prove
from symphony.core.peers.genesis import Genesis, Rule, parse_genesis
from symphony.core.peers.invite import Address, Invite
from symphony.core.wire import Codec
from symphony.errors import ConfigError

KEY_NAME = "node.key"
SUCCESSOR_NAME = "successor.key"
NEXT_NAME = "successor.next"  # while a key is handed over
MARK_NAME = "own-log.mark"  # how far the own log was spoken: `symphony.node.high_water`
KEY_BYTES = 32
SWARM_NAME = "swarm.cbor"
MAX_SWARM_BYTES = 24 * 1024  # a genesis (16 KiB at most), a proof (1 KiB), eight addresses


@dataclass(frozen=True, slots=True)
class SwarmFile:
    """The swarm of this home: how it was born, why this node is in it, whom to dial first."""

    genesis: Genesis
    proof: Proof | None = None
    bootstrap: tuple[str, ...] = ()

    @property
    def swarm_id(self) -> bytes:
        return self.genesis.swarm_id


@dataclass(frozen=True, slots=True)
class _Stored:
    genesis: bytes
    bootstrap: Annotated[tuple[Address, ...], Len(0, 8)] = ()
    proof: bytes | None = None


_CODEC: Codec[_Stored] = Codec(_Stored, max_bytes=MAX_SWARM_BYTES)


def create_identity(home: Path) -> PrivateKey:
    """Draw a key and its successor, and write them durably. Raises `ConfigError` where there is
    a key already.
    """
    make_home(home)
    key = PrivateKey.generate(os.urandom)
    _write_new(home / KEY_NAME, key.seed)
    if not (home / SUCCESSOR_NAME).exists():
        _write_new(home / SUCCESSOR_NAME, PrivateKey.generate(os.urandom).seed)
    return key


def _write_new(path: Path, seed: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        raise ConfigError(
            f"{path}: this home has an identity already",
            hint="use it, or choose another home with --home DIR",
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(seed)
        file.flush()
        os.fsync(file.fileno())


def load_identity(home: Path) -> PrivateKey:
    """The key of this home. Raises `ConfigError`: missing, damaged, or readable by others."""
    key = _read_key(home / KEY_NAME)
    if key is None:
        flag = "" if home == resolve_home() else f" --home {home}"
        raise ConfigError(f"{home}: no node lives here yet", hint=f"symphony init{flag}")
    return key


def load_successor(path: Path) -> PrivateKey | None:
    """The key in a successor file; None if there is no such file. Raises `ConfigError`."""
    return _read_key(path)


def successor_commitment(home: Path) -> bytes | None:
    """What this home's log commits to; None where the file was taken away, or never made."""
    key = load_successor(home / SUCCESSOR_NAME)
    return None if key is None else commit(key.public)


def next_successor(home: Path) -> PrivateKey:
    """The key that will follow the successor; drawn once, however often this is asked."""
    path = home / NEXT_NAME
    key = _read_key(path)
    if key is None:
        key = PrivateKey.generate(os.urandom)
        write_private(path, key.seed)
    return key


def take_over(
    home: Path, successor: PrivateKey, following: PrivateKey, invite: Invite | None
) -> None:
    """Make the successor this home's key, and `following` its successor; the log of the old key
    was handed over before. The mark of the old log goes: it is another log now.
    """
    (home / MARK_NAME).unlink(missing_ok=True)
    if invite is not None:
        accept_invite(home, successor, invite)
    write_private(home / KEY_NAME, successor.seed)
    write_private(home / SUCCESSOR_NAME, following.seed)
    (home / NEXT_NAME).unlink(missing_ok=True)


def finish_take_over(home: Path) -> bool:
    """Do what `take_over` had left to do, if it was cut off after it had changed the key. False
    if it was not.
    """
    following, successor = _read_key(home / NEXT_NAME), _read_key(home / SUCCESSOR_NAME)
    if following is None or successor is None:
        return False
    if successor.public not in (load_identity(home).public, following.public):
        return False
    write_private(home / SUCCESSOR_NAME, following.seed)
    (home / NEXT_NAME).unlink()
    return True


def _read_key(path: Path) -> PrivateKey | None:
    seed = _read_private(path, KEY_BYTES)
    if seed is None:
        return None
    if len(seed) != KEY_BYTES:
        size = f"more than {KEY_BYTES}" if len(seed) > KEY_BYTES else f"only {len(seed)}"
        raise ConfigError(
            f"{path}: a key has {KEY_BYTES} bytes, this file has {size}",
            hint="restore it from a backup, or choose another home and `symphony init` there",
        )
    return PrivateKey.from_seed(seed)


def has_identity(home: Path) -> bool:
    """Whether a key file is there, whatever is in it."""
    return (home / KEY_NAME).exists()


def new_genesis(
    name: str, admission: Rule, founder: PrivateKey, successor: bytes | None = None
) -> Genesis:
    """The birth of a swarm whose founder is this node; `successor` is its commitment."""
    if not 1 <= len(name) <= 64:
        raise ConfigError("a swarm's name has 1 to 64 characters", hint="choose another --name")
    return Genesis(name, admission, founder.public, os.urandom(16), successor=successor)


def read_swarm(home: Path) -> SwarmFile | None:
    """The swarm of this home, None before it has one. Raises `ConfigError` for a damaged file."""
    path = home / SWARM_NAME
    data = _read_private(path, MAX_SWARM_BYTES)
    if data is None:
        return None
    try:
        stored = _CODEC.decode(data)
        proof = None if stored.proof is None else parse_proof(stored.proof)
        return SwarmFile(parse_genesis(stored.genesis), proof, stored.bootstrap)
    except DecodeError as error:
        raise ConfigError(
            f"{path}: is damaged: {error.message}",
            hint="restore it from a backup, or join again with an invite",
        ) from None


def write_swarm(home: Path, swarm: SwarmFile) -> None:
    """Keep the swarm of this home. Raises `ConfigError` if the home belongs to another one."""
    now = read_swarm(home)
    if now is not None and now.swarm_id != swarm.swarm_id:
        raise ConfigError(
            f"{home}: belongs to the swarm {now.genesis.name!r} ({now.swarm_id.hex()[:8]}), "
            f"not to {swarm.genesis.name!r} ({swarm.swarm_id.hex()[:8]})",
            hint="use one home per swarm: add --home DIR",
        )
    proof = None if swarm.proof is None else swarm.proof.encode()
    stored = _Stored(swarm.genesis.encode(), swarm.bootstrap[:8], proof)
    write_private(home / SWARM_NAME, _CODEC.encode(stored))


def accept_invite(home: Path, key: PrivateKey, invite: Invite) -> SwarmFile:
    """Turn an invite into this node's membership, and keep it. The invite's secret is not kept."""
    swarm = SwarmFile(invite.parsed_genesis(), prove(invite, key.public), invite.bootstrap)
    before = read_swarm(home)
    if before is not None and before.genesis.founder == key.public:
        swarm = replace(swarm, proof=before.proof)  # a founder needs no proof
    write_swarm(home, swarm)
    return swarm


def _read_private(path: Path, max_bytes: int) -> bytes | None:
    """At most one byte more than `max_bytes` of a file that only its owner can read."""
    try:
        with path.open("rb") as file:
            check_private(path, FILE_MODE)
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be read: {error.strerror}", hint=f"check its owner: ls -l {path}"
        ) from error
