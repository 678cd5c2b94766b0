"""Who may be in a swarm: genesis, invites, proofs of membership, and the hello.

**Genesis.** A swarm is born from one small record. Its id is the SHA-256 of that record's bytes,
so nobody can be talked into another swarm of the same name.

**Invite.** Under the rule `invite`, the founder signs a *grant*: this invite key may be used to
join this swarm, with this scope, until then, perhaps by one node only. The whole invite is the
grant together with the secret half of the invite key, the genesis and some addresses; as text it is
one token, `sym1…`, with a checksum against bad copying. Whoever holds the token may join, so it is
treated like a password.

**Proof.** The secret never travels. A node signs its own id with the invite key once, and shows the
grant and that signature at every hello. The channel below already proved who owns the node id, so a
proof that is overheard is of no use to anyone else. A membership lasts as long as its grant: when
it expires or is revoked, the node needs a new invite.

**Hello.** The first thing two nodes say to each other; until both have accepted, nothing else is
listened to. The shape is that of any capability system (signed, attenuated, expiring, revocable);
the token's form follows BIP-173's lesson that people copy text badly: one case, no punctuation,
a checksum.

Everything here is pure: bytes, integers and keys in, values out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Literal

from annotated_types import Interval, Len

from ledger.errors import DecodeError
from ledger.keys import PrivateKey, Signer, Verifier, signed_bytes, verify
from symphony.core.wire import Codec, Digest, Id16, Key, Millis, Name, Signature
from symphony.errors import UsageError

PROTOCOL = 1
"""The version of Symphony's protocol that this code speaks."""

TOKEN_PREFIX = "sym1"  # noqa: S105  # a version mark, not a secret
_CHECKSUM_BYTES = 5
_MAX_GENESIS_BYTES = 16 * 1024  # 256 members of a closed swarm at 34 bytes, with room
_MAX_GRANT_BYTES = 512  # about 200 in use
_MAX_HELLO_BYTES = 6 * 1024  # a proof, and eight addresses
_MAX_TOKEN_CHARS = 40_000  # a genesis of the largest size, in base 32
_MAX_TOKEN_BYTES = 24 * 1024

Rule = Literal["open", "invite", "closed"]
Scope = Literal["member", "observer"]
Address = Annotated[str, Len(1, 256)]


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

    genesis: Annotated[bytes, Len(1, _MAX_GENESIS_BYTES)]
    grant: Annotated[bytes, Len(1, _MAX_GRANT_BYTES)]
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
        return _GRANT.decode(self.grant)

    def token(self) -> str:
        """The one line of text that lets a node in. Treat it like a password."""
        payload = _INVITE.encode(self)
        data = payload + _checksum(payload)
        return TOKEN_PREFIX + base64.b32encode(data).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class Proof:
    """Membership: the founder's grant, and the invite key's signature over one node id."""

    grant: Annotated[bytes, Len(1, _MAX_GRANT_BYTES)]
    founder_sig: Signature
    node_sig: Signature

    def encode(self) -> bytes:
        return _PROOF.encode(self)


@dataclass(frozen=True, slots=True)
class Hello:
    """What a node says first. `addresses` are where it can be dialled, if it says so."""

    protocol: Annotated[int, Interval(ge=0, le=65_535)]
    swarm: Digest
    agent_version: Annotated[str, Len(0, 64)]
    nonce: Id16
    proof: Proof | None = None
    addresses: Annotated[tuple[Address, ...], Len(0, 8)] = ()

    def encode(self) -> bytes:
        return signed_bytes("hello", _HELLO.encode(self))


class Reason(StrEnum):
    """Why a node is not let in; the word that is sent to it."""

    VERSION = "version"
    SWARM = "swarm"
    NO_PROOF = "no_proof"
    BAD_PROOF = "bad_proof"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SCOPE = "scope"
    OTHER_NODE = "other_node"
    NOT_LISTED = "not_listed"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The node is in; `invite` names the grant it came with, if any, and `operator` the party that
    the founder says runs it.
    """

    scope: Scope
    invite: bytes | None = None
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """The node is not in; `text` is a sentence for a person, with the next step."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Membership:
    """What one node knows of its swarm: the rule, its own proof, and what was revoked."""

    genesis: Genesis
    proof: Proof | None = None
    revoked: frozenset[bytes] = frozenset()
    scopes: frozenset[Scope] = frozenset(("member", "observer"))
    verify: Verifier = verify

    @property
    def swarm_id(self) -> bytes:
        return self.genesis.swarm_id

    @property
    def operator(self) -> str:
        """Who runs this node, as the founder says in its own proof; empty if nothing is said."""
        grant = None if self.proof is None else _GRANT.decode(self.proof.grant)
        return (grant.operator or "") if grant is not None else ""

    @property
    def observes(self) -> bool:
        """Was this node let in to see the ledger, and not to work?"""
        if self.proof is None or self.genesis.admission != "invite":
            return False
        return _GRANT.decode(self.proof.grant).scope == "observer"

    def revoke(self, invite: bytes) -> Membership:
        """The same membership, knowing that the invite with this id is no longer good."""
        return replace(self, revoked=self.revoked | {invite})


_GENESIS: Codec[Genesis] = Codec(Genesis, max_bytes=_MAX_GENESIS_BYTES)
_GRANT: Codec[Grant] = Codec(Grant, max_bytes=_MAX_GRANT_BYTES)
_INVITE: Codec[Invite] = Codec(Invite, max_bytes=_MAX_TOKEN_BYTES)
_PROOF: Codec[Proof] = Codec(Proof, max_bytes=_MAX_GRANT_BYTES + 256)
_HELLO: Codec[Hello] = Codec(Hello, max_bytes=_MAX_HELLO_BYTES)


def parse_genesis(data: bytes) -> Genesis:
    """Raises `ledger.errors.DecodeError`."""
    return _GENESIS.decode(data)


def parse_proof(data: bytes) -> Proof:
    """Raises `ledger.errors.DecodeError`."""
    return _PROOF.decode(data)


def parse_hello(data: bytes) -> Hello:
    """Raises `ledger.errors.DecodeError`, also when the context prefix is another one."""
    prefix = signed_bytes("hello", b"")
    if not data.startswith(prefix):
        raise DecodeError("not a hello")
    return _HELLO.decode(data[len(prefix) :])


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
    grant = _GRANT.encode(
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


def prove(invite: Invite, node: bytes) -> Proof:
    """The proof that `node` shows at every hello from now on."""
    genesis = invite.parsed_genesis()
    message = genesis.swarm_id + invite.id + node
    node_sig = PrivateKey.from_seed(invite.secret).sign("membership", message)
    return Proof(invite.grant, invite.founder_sig, node_sig)


def check_hello(hello: Hello, node: bytes, mine: Membership, now_ms: int) -> Admitted | Denied:
    """May `node`, whose key the channel has proven, be admitted on the strength of `hello`?

    Total: any hello that parsed gets an answer. `now_ms` is wall-clock milliseconds.
    """
    genesis = mine.genesis
    if hello.protocol != genesis.protocol:
        text = f"this swarm speaks protocol {genesis.protocol}, you speak {hello.protocol}"
        return Denied(Reason.VERSION, f"{text}; install the matching version")
    if hello.swarm != genesis.swarm_id:
        return Denied(Reason.SWARM, f"this is another swarm, {genesis.name!r}; check the address")
    match genesis.admission:
        case "open":
            return Admitted("member")
        case "closed":
            if node == genesis.founder or node in genesis.members:
                return Admitted("member")
            return Denied(Reason.NOT_LISTED, "this swarm is closed and your node is not listed")
        case "invite":
            if node == genesis.founder:
                return Admitted("member")
            return _check_proof(hello.proof, node, mine, now_ms)


def _check_proof(
    proof: Proof | None, node: bytes, mine: Membership, now_ms: int
) -> Admitted | Denied:
    if proof is None:
        return Denied(Reason.NO_PROOF, "this swarm wants an invite; ask a founder for one")
    swarm = mine.swarm_id
    bad = Denied(Reason.BAD_PROOF, "the invite's signatures do not hold; ask for a new invite")
    try:
        grant = _GRANT.decode(proof.grant)
    except DecodeError:
        return bad
    founder, said = mine.genesis.founder, swarm + proof.grant
    if grant.swarm != swarm or not mine.verify(founder, "invite", said, proof.founder_sig):
        return bad
    name = invite_id(proof.grant)
    said = swarm + name + node
    if not mine.verify(grant.invite_key, "membership", said, proof.node_sig):
        return bad
    if grant.node is not None and grant.node != node:
        return Denied(Reason.OTHER_NODE, "this invite was made for another node")
    if name in mine.revoked:
        return Denied(Reason.REVOKED, "this invite was revoked; ask for a new one")
    if now_ms >= grant.expires_ms:
        return Denied(Reason.EXPIRED, "this invite has expired; ask for a new one")
    if grant.scope not in mine.scopes:
        return Denied(Reason.SCOPE, f"the scope {grant.scope!r} is not admitted by this node")
    return Admitted(grant.scope, name, grant.operator or "")


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(signed_bytes("token", payload)).digest()[:_CHECKSUM_BYTES]
