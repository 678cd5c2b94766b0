"""Invites: how the founder lets somebody in whom it does not know yet.

Under the rule `invite` the founder signs a *grant*: this invite key may be used to join this swarm,
with this scope, until then, perhaps by one node only. The whole invite is the grant together with
the secret half of the invite key, the genesis and some addresses; as text it is one token, `sym1…`,
with a checksum against bad copying. Whoever holds the token may join, so it is treated like a
password. What a node shows of it afterwards is a proof, without the secret (`admission`).

The shape is that of any capability system: signed, attenuated, expiring, revocable. The token's
form follows BIP-173's lesson that people copy text badly: one case, no punctuation, a checksum.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Len

from ledger.errors import DecodeError
from ledger.keys import PrivateKey, Signer, signed_bytes
from symphony.core.peers.genesis import MAX_GENESIS_BYTES, Genesis, parse_genesis
from symphony.core.wire import Codec, Digest, Key, Millis, Name, Signature
from symphony.errors import UsageError

TOKEN_PREFIX = "sym1"  # noqa: S105  # a version mark, not a secret
_CHECKSUM_BYTES = 5
MAX_GRANT_BYTES = 512  # about 200 in use
_MAX_TOKEN_CHARS = 40_000  # a genesis of the largest size, in base 32
_MAX_TOKEN_BYTES = 24 * 1024

Scope = Literal["member", "observer"]
Address = Annotated[str, Len(1, 256)]


@dataclass(frozen=True, slots=True)
class Grant:
    """What the founder signs. `node`, where set, is the only node that may use it; `operator` the
    party that runs whatever joins with it, as the founder vouches.
    """

    swarm: Digest
    invite_key: Key
    scope: Scope
    issued_ms: Millis
    expires_ms: Millis
    node: Key | None = None
    operator: Name | None = None


@dataclass(frozen=True, slots=True)
class Invite:
    """A grant with the secret that makes it usable: what a token carries."""

    genesis: Annotated[bytes, Len(1, MAX_GENESIS_BYTES)]
    grant: Annotated[bytes, Len(1, MAX_GRANT_BYTES)]
    founder_sig: Signature
    secret: Key = field(repr=False)
    bootstrap: Annotated[tuple[Address, ...], Len(0, 8)] = ()

    @property
    def id(self) -> bytes:
        """16 bytes, public: what a revocation names."""
        return invite_id(self.grant)

    def parsed_genesis(self) -> Genesis:
        return parse_genesis(self.genesis)

    def parsed_grant(self) -> Grant:
        return GRANT.decode(self.grant)

    def token(self) -> str:
        """The one line of text that lets a node in. Treat it like a password."""
        payload = _INVITE.encode(self)
        data = payload + _checksum(payload)
        return TOKEN_PREFIX + base64.b32encode(data).decode().rstrip("=").lower()


GRANT: Codec[Grant] = Codec(Grant, max_bytes=MAX_GRANT_BYTES)
_INVITE: Codec[Invite] = Codec(Invite, max_bytes=_MAX_TOKEN_BYTES)


def invite_id(grant: bytes) -> bytes:
    """16 bytes that name a grant, by its very bytes."""
    return hashlib.sha256(signed_bytes("invite-id", grant)).digest()[:16]


def make_invite(
    genesis: Genesis,
    *,
    founder: Signer,
    secret: bytes,
    issued_ms: int,
    expires_ms: int,
    scope: Scope = "member",
    bootstrap: tuple[str, ...] = (),
    node: bytes | None = None,
    operator: str | None = None,
) -> Invite:
    """A new invite; `secret` is 32 fresh random bytes, used for this invite only."""
    invite_key = PrivateKey.from_seed(secret).public
    grant = GRANT.encode(
        Grant(genesis.swarm_id, invite_key, scope, issued_ms, expires_ms, node, operator),
    )
    signature = founder.sign("invite", genesis.swarm_id + grant)
    return Invite(genesis.encode(), grant, signature, secret, bootstrap)


def parse_token(text: str) -> Invite:
    """Read a token. Raises `UsageError` that says what is wrong with the text.

    The grant is not judged here: expiry needs a clock, and the swarm has the last word anyway.
    """
    text = "".join(text.split()).lower()
    if len(text) > _MAX_TOKEN_CHARS or not text.startswith(TOKEN_PREFIX):
        raise UsageError("this is not an invite", hint=f"an invite starts with {TOKEN_PREFIX}")
    body = text[len(TOKEN_PREFIX) :].upper()
    copied_badly = UsageError("the invite was not copied whole", hint="copy the token again")
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        raise copied_badly from None
    payload, check = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if _checksum(payload) != check:
        raise copied_badly
    try:
        invite = _INVITE.decode(payload)
        invite.parsed_genesis()
        invite.parsed_grant()
    except DecodeError as error:
        raise UsageError(f"the invite is malformed: {error}", hint="ask for a new one") from None
    return invite


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(signed_bytes("token", payload)).digest()[:_CHECKSUM_BYTES]
