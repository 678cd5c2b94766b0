"""The frozen vectors: trees, seals and reconciliation say the same bytes for ever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ledger import (
    Accepted,
    Adopt,
    Begun,
    Book,
    Checkpoint,
    Forked,
    Frontier,
    Head,
    Initiator,
    Refused,
    Sealed,
    Tree,
    commit,
    encode_cosign,
    encode_horizon,
    encode_pledge,
    encode_retire,
    parse_checkpoint,
    parse_cosign,
    parse_entry,
    parse_horizon,
    respond,
    verify,
    verify_sealed,
)
from ledger.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion
from ledger.retention import may_lack

VECTORS = Path(__file__).parents[1] / "vectors" / "v1"


def read(name: str) -> dict:
    return json.loads((VECTORS / name).read_text())


def named(*words: object) -> bytes:
    return hashlib.sha256(" ".join(map(str, words)).encode()).digest()


def raw(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def test_trees():
    frozen = read("merkle.json")
    leaves = [named("leaf", place) for place in range(frozen["leaves"])]
    tree, roots = Tree(leaves), [EMPTY_ROOT, *raw(frozen["roots"])]
    assert frozen["empty_root"] == EMPTY_ROOT.hex()
    assert [tree.root(size) for size in range(1, len(roots))] == roots[1:]
    frontier = Frontier(frozen["frontier"]["size"], tuple(raw(frozen["frontier"]["peaks"])))
    assert frontier == Frontier().extend(leaves)
    for case in frozen["inclusion"]:
        place, size, proof = case["place"], case["size"], raw(case["proof"])
        assert tree.inclusion(place, size) == proof
        assert verify_inclusion(leaves[place], place, size, proof, roots[size])
    for case in frozen["consistency"]:
        start, end, proof = case["from"], case["to"], raw(case["proof"])
        assert tree.consistency(start, end) == proof
        assert verify_consistency(start, end, proof, roots[start], roots[end])


def test_seals():
    frozen = read("checkpoint.json")
    swarm_id = bytes.fromhex(frozen["swarm_id"])
    entries = [parse_entry(each) for each in raw(frozen["entries"])]
    checkpoint = parse_entry(bytes.fromhex(frozen["checkpoint"]))
    claim = Checkpoint(entries[0].author, 9, Tree([entry.id for entry in entries]).root())
    assert parse_checkpoint(checkpoint) == claim
    assert checkpoint.body.hex() == frozen["checkpoint_body"] == claim.encode().hex()
    assert encode_cosign([claim]).hex() == frozen["cosign_body"]
    cosigns = raw(frozen["cosigns"])
    assert [parse_cosign(parse_entry(each)) for each in cosigns] == [[claim], [claim]]
    seal = Sealed(tuple(raw(frozen["path_of_entry_4"])), checkpoint.encode(), tuple(cosigns))
    seen_by = verify_sealed(seal, entries[3], swarm_id, verify)
    assert sorted(seen_by) == sorted(raw(frozen["witnesses"]))


def head(number: int, seq: int) -> Head:
    return Head(named("author", number), seq, named("id", number, seq), seq << 16)


def book(heads: list[Head]) -> Book:
    made = Book(bytes(32), verify)
    made.restore(heads, [])
    return made


def test_a_reconciliation():
    frozen = read("reconcile.json")
    ours = book([*(head(at, 1) for at in range(400)), head(100, 3)])
    theirs = book([*(head(at, 2 if at in (7, 19) else 1) for at in range(400)), head(101, 9)])
    session = Initiator(ours, bytes.fromhex(frozen["salt"]))
    request: bytes | None = session.start()
    for frame in frozen["frames"]:
        assert request is not None
        assert request.hex() == frame["request"]
        response = respond(theirs, bytes.fromhex(frozen["secret"]), request)
        assert response.hex() == frame["response"]
        request = session.take(response)
    assert request is None
    assert session.complete
    assert sorted(session.theirs) == raw(frozen["theirs"])
    assert sorted(session.ours) == raw(frozen["ours"])


def test_a_succession():
    frozen = read("succession.json")
    one, two, three = raw([frozen["keys"][name] for name in ("one", "two", "three")])
    entries = [parse_entry(each) for each in raw(frozen["entries"])]
    pledge, _, retire, adopt = entries
    bodies = frozen["bodies"]
    assert encode_pledge(commit(two)).hex() == bodies["pledge"] == pledge.body.hex()
    assert encode_retire(two).hex() == bodies["retire"] == retire.body.hex()
    handed = Adopt(one, retire.seq, retire.id, commit(three))
    assert handed.encode().hex() == bodies["adopt"] == adopt.body.hex()
    assert commit(two).hex() == frozen["commitment_to_two"]
    made, now_ms = Book(bytes.fromhex(frozen["swarm_id"]), verify), 1_900_000_000_000
    for at, entry in enumerate(entries, start=1):
        assert made.admit(entry, now_ms) == Accepted((entry,))
        for case in frozen["refused"]:
            if case["after"] == at:
                refused = made.admit(parse_entry(bytes.fromhex(case["entry"])), now_ms)
                assert refused.reason == case["reason"]
    assert made.succession.speaker(one).hex() == frozen["speaker_of_one"]
    assert isinstance(made.admit(parse_entry(bytes.fromhex(frozen["fork"])), now_ms), Forked)
    assert made.succession.speaker(one).hex() == frozen["speaker_of_one_after_the_fork"]


def test_a_retention():
    frozen = read("retention.json")
    for row in frozen["entries"]:
        whole, bare = (parse_entry(bytes.fromhex(row[which])) for which in ("whole", "bare"))
        assert (whole.kind, whole.expires) == (row["kind"], row["expires"])
        assert whole.without_body() == bare
        for now_ms, lacks in row["may_lack"].items():
            assert may_lack(bare.header, int(now_ms)) is lacks
    times = [list(row["may_lack"].values()) for row in frozen["entries"]]
    assert times[:3] == [[False, True, True], [False, False, True], [False] * 3]
    made, last_ms = Book(bytes.fromhex(frozen["swarm_id"]), verify), 1_800_000_000_001
    for row in frozen["entries"]:
        which = "bare" if row["may_lack"][str(last_ms)] else "whole"
        assert isinstance(made.admit(parse_entry(bytes.fromhex(row[which])), last_ms), Accepted)


def test_a_horizon():
    frozen = read("horizon.json")
    swarm_id = bytes.fromhex(frozen["swarm_id"])
    entries = [parse_entry(each) for each in raw(frozen["entries"])]
    entry = parse_entry(bytes.fromhex(frozen["horizon"]))
    assert (entry, entry.body.hex()) == (entries[6], frozen["body"])
    horizon = parse_horizon(entry)
    assert horizon.frontier == Frontier(frozen["size"], tuple(raw(frozen["peaks"])))
    assert (horizon.last, horizon.first) == (entries[4].head, entries[0])
    parts = (horizon.frontier, horizon.last, horizon.checkpoint, horizon.cosigns, horizon.first)
    assert encode_horizon(*parts) == entry.body
    for now_ms, holds in frozen["holds"].items():
        made = Book(swarm_id, verify)
        answer = made.admit(entry, int(now_ms), solicited=True)
        assert (answer == Begun(horizon)) is holds
        if holds:
            for each in raw(frozen["range"])[1:]:
                made.admit(parse_entry(each), int(now_ms), solicited=True)
            head = made.head(entry.author)
            assert {"seq": head.seq, "id": head.id.hex()} == frozen["head"]
    bad = parse_entry(bytes.fromhex(frozen["seen_by_nobody"]))
    assert isinstance(Book(swarm_id, verify).admit(bad, int(now_ms), solicited=True), Refused)
