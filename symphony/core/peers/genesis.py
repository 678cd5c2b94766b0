"""Genesis: the small record that a swarm is born from.

The id of a swarm is the SHA-256 of this record's bytes, so nobody can be talked into another swarm
of the same name. It says who may be in (`admission`), whose word counts for that (`founder`), and
which key may take over from the founder's. It never changes: another rule is another swarm.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len

from symphony.core.wire import Codec, Digest, Id16, Key, Name

PROTOCOL = 1
"""The version of Symphony's protocol that this code speaks."""

MAX_GENESIS_BYTES = 16 * 1024  # 256 members of a closed swarm at 34 bytes, with room

Rule = Literal["open", "invite", "closed"]


@dataclass(frozen=True, slots=True)
class Genesis:
    """The record a swarm is born from; `members` is the list of a `closed` swarm, `successor` the
    SHA-256 of the key that may take over from the founder's (`ledger.succession`).
    """

    name: Name
    admission: Rule
    founder: Key
    nonce: Id16
    protocol: Annotated[int, Interval(ge=1, le=65_535)] = PROTOCOL
    members: Annotated[tuple[Key, ...], Len(0, 256)] = ()
    successor: Digest | None = None

    def encode(self) -> bytes:
        return _GENESIS.encode(self)

    @property
    def anchors(self) -> dict[bytes, bytes]:
        """The commitments to successors that the swarm was born with, by author."""
        return {} if self.successor is None else {self.founder: self.successor}

    @property
    def swarm_id(self) -> bytes:
        """32 bytes: the SHA-256 of the canonical encoding."""
        return hashlib.sha256(self.encode()).digest()


_GENESIS: Codec[Genesis] = Codec(Genesis, max_bytes=MAX_GENESIS_BYTES)


def parse_genesis(data: bytes) -> Genesis:
    """Raises `ledger.errors.DecodeError`."""
    return _GENESIS.decode(data)
