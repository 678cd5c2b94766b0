"""Who may talk in a swarm: proofs of membership, the hello, and the judgement on it.

**Proof.** The secret of an invite never travels. A node signs its own id with the invite key once,
and shows the grant and that signature at every hello. The channel below already proved who owns the
node id, so a proof that is overheard is of no use to anyone else. A membership lasts as long as its
grant: when it expires or is revoked, the node needs a new invite.

**Hello.** The first thing two nodes say to each other; until both have accepted, nothing else is
listened to. Each side judges the other's alone, by what it knows of its swarm (`Membership`): the
protocol, the swarm, then the rule of the genesis.

Everything here is pure: bytes, integers and keys in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval, Len

from ledger.errors import DecodeError
from ledger.keys import PrivateKey, Verifier, signed_bytes, verify
from symphony.core.peers.genesis import Genesis
from symphony.core.peers.invite import (
    GRANT,
    MAX_GRANT_BYTES,
    Address,
    Invite,
    Scope,
    invite_id,
)
from symphony.core.wire import Codec, Digest, Id16, Signature

_MAX_HELLO_BYTES = 6 * 1024  # a proof, and eight addresses


@dataclass(frozen=True, slots=True)
class Proof:
    """Membership: the founder's grant, and the invite key's signature over one node id."""

    grant: Annotated[bytes, Len(1, MAX_GRANT_BYTES)]
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
        grant = None if self.proof is None else GRANT.decode(self.proof.grant)
        return (grant.operator or "") if grant is not None else ""

    @property
    def observes(self) -> bool:
        """Was this node let in to see the ledger, and not to work?"""
        if self.proof is None or self.genesis.admission != "invite":
            return False
        return GRANT.decode(self.proof.grant).scope == "observer"

    def revoke(self, invite: bytes) -> Membership:
        """The same membership, knowing that the invite with this id is no longer good."""
        return replace(self, revoked=self.revoked | {invite})


_PROOF: Codec[Proof] = Codec(Proof, max_bytes=MAX_GRANT_BYTES + 256)
_HELLO: Codec[Hello] = Codec(Hello, max_bytes=_MAX_HELLO_BYTES)


def parse_proof(data: bytes) -> Proof:
    """Raises `ledger.errors.DecodeError`."""
    return _PROOF.decode(data)


def parse_hello(data: bytes) -> Hello:
    """Raises `ledger.errors.DecodeError`, also when the context prefix is another one."""
    prefix = signed_bytes("hello", b"")
    if not data.startswith(prefix):
        raise DecodeError("not a hello")
    return _HELLO.decode(data[len(prefix) :])


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
        grant = GRANT.decode(proof.grant)
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
