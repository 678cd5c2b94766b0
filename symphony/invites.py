"""The invites that this founder has given out: made, listed, revoked.

`invites.json` in the home keeps what a founder must be able to answer ("which ones are still
good?") and nothing that would let anyone in: the id, the scope and the times of each invite,
never its secret. `revoked` is what a node's `Membership` starts from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fcntl import LOCK_EX, flock
from pathlib import Path

from ledger.keys import PrivateKey
from symphony.config import FILE_MODE, check_private, write_private
from symphony.core.peers.genesis import Genesis
from symphony.core.peers.invite import Invite, Scope, make_invite
from symphony.errors import AdmissionDenied, ConfigError, UsageError

FILE_NAME = "invites.json"
MAX_INVITES = 4096  # kept; the longest expired ones go first
MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_MINUTES = 60 * 24 * 365  # a year: an invite that never ends is a password in a drawer
MAX_ADDRESSES = 8


@dataclass(frozen=True, slots=True)
class Given:
    """One invite that was given out. Times are Unix milliseconds; `id` is hexadecimal."""

    id: str
    scope: str
    issued_wall_ms: int
    expires_wall_ms: int
    node: str | None = None
    revoked_wall_ms: int | None = None
    operator: str | None = None

    def state(self, now_ms: int) -> str:
        if self.revoked_wall_ms is not None:
            return "revoked"
        return "expired" if now_ms >= self.expires_wall_ms else "good"


def create_invite(
    home: Path,
    *,
    key: PrivateKey,
    genesis: Genesis,
    now_ms: int,
    minutes: int,
    scope: Scope = "member",
    addresses: tuple[str, ...] = (),
    node: bytes | None = None,
    operator: str | None = None,
) -> Invite:
    """A new invite, noted in the home. Raises `AdmissionDenied` where this node may not invite."""
    if key.public != genesis.founder:
        raise AdmissionDenied(
            f"only the founder of the swarm {genesis.name!r} can invite",
            hint="run this on the founder's machine, or ask the founder for an invite",
        )
    if not 1 <= minutes <= MAX_MINUTES:
        raise UsageError(
            f"an invite lasts 1 minute to {MAX_MINUTES} minutes (a year), not {minutes}",
            hint="choose another time",
        )
    invite = make_invite(
        genesis,
        founder=key,
        secret=os.urandom(32),
        issued_ms=now_ms,
        expires_ms=now_ms + minutes * 60_000,
        scope=scope,
        bootstrap=addresses[:MAX_ADDRESSES],
        node=node,
        operator=operator,
    )
    given = Given(
        invite.id.hex(),
        scope,
        now_ms,
        now_ms + minutes * 60_000,
        None if node is None else node.hex(),
        operator=operator,
    )
    with _locked(home):
        kept = sorted((*list_invites(home), given), key=lambda one: one.expires_wall_ms)
        _write(home, tuple(kept[-MAX_INVITES:]))
    return invite


def list_invites(home: Path) -> tuple[Given, ...]:
    """All invites given out here. Raises `ConfigError` for a damaged file."""
    path = home / FILE_NAME
    try:
        with path.open("rb") as file:
            check_private(path, FILE_MODE)
            rows = json.loads(file.read(MAX_FILE_BYTES))
        return tuple(Given(**row) for row in rows)
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError):
        raise ConfigError(
            f"{path}: is damaged", hint="move it away; invites given out before stay good"
        ) from None


def revoke_invite(home: Path, prefix: str, now_ms: int) -> Given:
    """Mark the one invite whose id begins with `prefix`. Raises `UsageError` unless it is one."""
    with _locked(home):
        invites = list_invites(home)
        found = [one for one in invites if prefix and one.id.startswith(prefix.lower())]
        if len(found) != 1:
            how_many = "no invite" if not found else f"{len(found)} invites"
            raise UsageError(
                f"{how_many} with an id that begins with {prefix!r}", hint="symphony invite list"
            )
        revoked = replace(found[0], revoked_wall_ms=found[0].revoked_wall_ms or now_ms)
        _write(home, tuple(revoked if one is found[0] else one for one in invites))
    return revoked


def revoked(home: Path) -> frozenset[bytes]:
    """The ids (16 bytes) of the invites revoked here."""
    return frozenset(
        bytes.fromhex(one.id) for one in list_invites(home) if one.revoked_wall_ms is not None
    )


def _write(home: Path, invites: tuple[Given, ...]) -> None:
    rows = [asdict(one) for one in invites]
    write_private(home / FILE_NAME, (json.dumps(rows, indent=1) + "\n").encode())


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """A node and a command may write at once; the second waits for the first."""
    with os.fdopen(os.open(home / ".invites.lock", os.O_WRONLY | os.O_CREAT, FILE_MODE)) as lock:
        flock(lock, LOCK_EX)
        yield
