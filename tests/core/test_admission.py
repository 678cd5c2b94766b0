"""Who gets in, and why not: one test for each refusal, and properties of the token."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import DecodeError
from ledger.keys import PrivateKey
from symphony.core.peers.admission import (
    Admitted,
    Denied,
    Hello,
    Membership,
    Proof,
    Reason,
    check_hello,
    parse_hello,
    parse_proof,
    prove,
)
from symphony.core.peers.genesis import Genesis, parse_genesis
from symphony.core.peers.invite import TOKEN_PREFIX, Invite, invite_id, make_invite, parse_token
from symphony.errors import UsageError

FOUNDER = PrivateKey.from_seed(b"f" * 32)
NODE = PrivateKey.from_seed(b"n" * 32).public
OTHER = PrivateKey.from_seed(b"o" * 32).public
NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def genesis(rule: str = "invite", **fields: object) -> Genesis:
    return Genesis("orchestra", rule, FOUNDER.public, b"g" * 16, **fields)


def invite(of: Genesis | None = None, founder: PrivateKey = FOUNDER, **fields: object) -> Invite:
    given_fields = {"issued_ms": NOW_MS, "expires_ms": NOW_MS + HOUR_MS, "secret": b"s" * 32}
    return make_invite(of or genesis(), founder=founder, **(given_fields | fields))


def hello(of: Genesis | None = None, proof: Proof | None = None, **fields: object) -> Hello:
    of = of or genesis()
    values = {"protocol": of.protocol, "swarm": of.swarm_id} | fields
    return Hello(agent_version="symphony/0.1", nonce=b"h" * 16, proof=proof, **values)


def refusal(said: Hello, *, node: bytes = NODE, now_ms: int = NOW_MS, **mine: object) -> Reason:
    membership = Membership(mine.pop("genesis", genesis()), **mine)
    verdict = check_hello(said, node, membership, now_ms)
    assert isinstance(verdict, Denied)
    assert verdict.text
    return verdict.reason


def test_a_valid_proof_is_admitted_with_its_scope_and_invite() -> None:
    made = invite(scope="observer")
    verdict = check_hello(hello(proof=prove(made, NODE)), NODE, Membership(genesis()), NOW_MS)
    assert verdict == Admitted("observer", made.id)


def test_open_admits_everybody_who_speaks_the_same() -> None:
    swarm = genesis("open")
    assert check_hello(hello(swarm), NODE, Membership(swarm), NOW_MS) == Admitted("member")


def test_closed_admits_the_listed_and_the_founder_only() -> None:
    swarm = genesis("closed", members=(NODE,))
    mine = Membership(swarm)
    for node in (NODE, FOUNDER.public):
        assert check_hello(hello(swarm), node, mine, NOW_MS) == Admitted("member")
    assert refusal(hello(swarm), node=OTHER, genesis=swarm) is Reason.NOT_LISTED


def test_an_invite_does_not_open_a_closed_swarm() -> None:
    swarm = genesis("closed")
    said = hello(swarm, prove(invite(swarm), NODE))
    assert refusal(said, genesis=swarm) is Reason.NOT_LISTED


def test_the_founder_needs_no_invite() -> None:
    verdict = check_hello(hello(), FOUNDER.public, Membership(genesis()), NOW_MS)
    assert verdict == Admitted("member")


def test_another_version_is_refused_before_anything_else() -> None:
    assert refusal(hello(protocol=2, swarm=b"x" * 32)) is Reason.VERSION


def test_another_swarm_is_refused() -> None:
    twin = dataclasses.replace(genesis(), nonce=b"t" * 16)
    assert refusal(hello(twin)) is Reason.SWARM


def test_no_proof_is_refused() -> None:
    assert refusal(hello()) is Reason.NO_PROOF


def test_a_proof_of_another_node_is_refused() -> None:
    assert refusal(hello(proof=prove(invite(), OTHER))) is Reason.BAD_PROOF


def test_an_invite_that_is_not_from_the_founder_is_refused() -> None:
    forged = invite(founder=PrivateKey.from_seed(b"x" * 32))
    assert refusal(hello(proof=prove(forged, NODE))) is Reason.BAD_PROOF


def test_an_invite_of_another_swarm_is_refused() -> None:
    twin = dataclasses.replace(genesis(), nonce=b"t" * 16)
    assert refusal(hello(proof=prove(invite(twin), NODE))) is Reason.BAD_PROOF


def test_a_stretched_grant_is_refused() -> None:
    made, longer = invite(), invite(expires_ms=NOW_MS + 9 * HOUR_MS)
    stretched = dataclasses.replace(prove(longer, NODE), founder_sig=made.founder_sig)
    assert refusal(hello(proof=stretched)) is Reason.BAD_PROOF


def test_a_grant_that_does_not_parse_is_refused() -> None:
    proof = dataclasses.replace(prove(invite(), NODE), grant=b"\xff")
    assert refusal(hello(proof=proof)) is Reason.BAD_PROOF


@pytest.mark.parametrize(("after_ms", "is_in"), [(HOUR_MS - 1, True), (HOUR_MS, False)])
def test_an_invite_expires_to_the_millisecond(after_ms: int, is_in: bool) -> None:
    said = hello(proof=prove(invite(), NODE))
    verdict = check_hello(said, NODE, Membership(genesis()), NOW_MS + after_ms)
    assert isinstance(verdict, Admitted) == is_in
    if isinstance(verdict, Denied):
        assert verdict.reason is Reason.EXPIRED


def test_a_revoked_invite_is_refused_and_others_are_not() -> None:
    gone, good = invite(), invite(secret=b"2" * 32)
    mine = Membership(genesis()).revoke(gone.id)
    assert refusal(hello(proof=prove(gone, NODE)), revoked=mine.revoked) is Reason.REVOKED
    verdict = check_hello(hello(proof=prove(good, NODE)), NODE, mine, NOW_MS)
    assert verdict == Admitted("member", good.id)


def test_the_founder_vouches_for_an_operator() -> None:
    proof = prove(invite(operator="alice"), NODE)
    mine = Membership(genesis())
    verdict = check_hello(hello(proof=proof), NODE, mine, NOW_MS)
    assert isinstance(verdict, Admitted)
    assert verdict.operator == dataclasses.replace(mine, proof=proof).operator == "alice"
    forged = dataclasses.replace(proof, grant=proof.grant.replace(b"alice", b"carol"))
    assert refusal(hello(proof=forged)) is Reason.BAD_PROOF
    assert mine.operator == ""


def test_a_scope_that_the_verifier_does_not_take_is_refused() -> None:
    said = hello(proof=prove(invite(scope="observer"), NODE))
    assert refusal(said, scopes=frozenset({"member"})) is Reason.SCOPE


def test_an_invite_for_one_node_is_refused_for_another() -> None:
    made = invite(node=OTHER)
    assert refusal(hello(proof=prove(made, NODE))) is Reason.OTHER_NODE
    said = hello(proof=prove(made, OTHER))
    verdict = check_hello(said, OTHER, Membership(genesis()), NOW_MS)
    assert verdict == Admitted("member", made.id)


def test_the_swarm_id_depends_on_every_field() -> None:
    base = genesis()
    variants = [
        dataclasses.replace(base, name="choir"),
        dataclasses.replace(base, admission="open"),
        dataclasses.replace(base, founder=OTHER),
        dataclasses.replace(base, nonce=b"t" * 16),
        dataclasses.replace(base, protocol=2),
        dataclasses.replace(base, members=(NODE,)),
    ]
    assert len({swarm.swarm_id for swarm in [base, *variants]}) == len(variants) + 1


def test_values_come_back_from_their_bytes() -> None:
    made = invite(bootstrap=("/ip4/192.0.2.7/tcp/4001",))
    proof = prove(made, NODE)
    said = hello(proof=proof, addresses=("/ip4/192.0.2.8/tcp/4001",))
    assert parse_genesis(made.genesis) == genesis()
    assert parse_proof(proof.encode()) == proof
    assert parse_hello(said.encode()) == said
    assert parse_token(made.token()) == made
    assert invite_id(proof.grant) == made.id


def test_a_hello_is_nothing_without_its_context() -> None:
    data = hello().encode()
    prefix = b"symphony/hello/1\x00"
    assert data.startswith(prefix)
    for wrong in (data[len(prefix) :], data.replace(b"hello", b"other", 1), b"", data + b"\x00"):
        with pytest.raises(DecodeError):
            parse_hello(wrong)


def test_the_secret_is_in_the_token_only() -> None:
    made = invite()
    assert b"s" * 32 not in hello(proof=prove(made, NODE)).encode()
    assert "ssss" not in repr(made)


def test_a_token_survives_what_mail_programs_do_to_it() -> None:
    made = invite()
    token = made.token()
    assert token.startswith(TOKEN_PREFIX)
    assert token.isalnum()
    half = len(token) // 2
    for mangled in (f"  {token}\n", f"{token[:half]}\r\n  {token[half:]}", token.upper()):
        assert parse_token(mangled) == made


@given(st.data())
def test_a_token_with_one_wrong_character_is_refused(data: st.DataObject) -> None:
    token = invite().token()
    where = data.draw(st.integers(len(TOKEN_PREFIX), len(token) - 2))
    other = data.draw(
        st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(
            lambda char: char != token[where]
        )
    )
    with pytest.raises(UsageError):
        parse_token(token[:where] + other + token[where + 1 :])


@given(st.text(max_size=200))
def test_no_text_breaks_the_token_parser(text: str) -> None:
    for attempt in (text, TOKEN_PREFIX + text):
        with pytest.raises(UsageError):
            parse_token(attempt)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_hello_parser(data: bytes) -> None:
    for attempt in (data, b"symphony/hello/1\x00" + data):
        with pytest.raises(DecodeError):
            parse_hello(attempt)


@given(st.binary(max_size=200), st.binary(min_size=64, max_size=64), st.integers(0, 2**48 - 1))
def test_no_proof_breaks_the_check(grant: bytes, signature: bytes, now_ms: int) -> None:
    said = hello(proof=Proof(grant or b"\x00", signature, signature))
    assert isinstance(check_hello(said, NODE, Membership(genesis()), now_ms), Denied)
