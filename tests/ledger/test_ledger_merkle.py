"""Merkle trees against the vectors of Certificate Transparency, a dumb twin, and pymerkle."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The tree heads that the test suite of Certificate Transparency has had since RFC 6962."""


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def leaves(count: int, salt: int = 0) -> list[bytes]:
    return [leaf(b"%d of %d" % (at, salt)) for at in range(count)]


def dumb_root(nodes: list[bytes]) -> bytes:
    """Section 2.1.1 read aloud."""
    if not nodes:
        return EMPTY_ROOT
    if len(nodes) == 1:
        return nodes[0]
    half = 1
    while half * 2 < len(nodes):
        half *= 2
    return node_hash(dumb_root(nodes[:half]), dumb_root(nodes[half:]))


def test_the_roots_of_certificate_transparency():
    nodes = [leaf(bytes.fromhex(text)) for text in INPUTS]
    for size, root in enumerate(ROOTS, start=1):
        assert Frontier().extend(nodes[:size]).root().hex() == root
        assert Tree(nodes).root(size).hex() == root
    assert Frontier().root() == Tree([]).root() == EMPTY_ROOT


def test_the_proofs_of_rfc_9162():
    """The examples of section 2.1.5, a tree of seven leaves."""
    d = leaves(7)
    a, b, c, e, f, j = d[0], d[1], d[2], d[3], d[4], d[6]
    g, h, i = node_hash(a, b), node_hash(c, e), node_hash(f, d[5])
    k, m = node_hash(g, h), node_hash(i, j)
    tree = Tree(d)
    assert tree.inclusion(0) == [b, h, m]
    assert tree.inclusion(3) == [c, g, m]
    assert tree.inclusion(4) == [d[5], j, k]
    assert tree.inclusion(6) == [i, k]
    assert tree.consistency(3) == [c, e, g, m]
    assert tree.consistency(4) == [m]
    assert tree.consistency(6) == [i, j, k]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 130), st.integers(0, 130))
def test_frontiers_equal_the_dumb_twin(one, other):
    start, end = sorted((one, other))
    nodes = leaves(end)
    frontier = Frontier().extend(nodes[:start])
    assert frontier.root() == dumb_root(nodes[:start])
    whole = frontier.extend(nodes[start:])
    assert whole == Frontier().extend(nodes)
    assert whole.root() == Tree(nodes).root() == dumb_root(nodes)
    assert Tree(nodes[start:], frontier).root() == dumb_root(nodes)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_proofs_agree_with_pymerkle(data):
    size = data.draw(st.integers(1, 70))
    oracle = InmemoryTree(algorithm="sha256")
    raw = [b"%d" % at for at in range(size)]
    for each in raw:
        oracle.append_entry(each)
    tree = Tree([leaf(each) for each in raw])
    place = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    assert oracle.get_root() == tree.root()
    assert oracle.get_root(old) == tree.root(old)
    theirs = oracle.prove_inclusion(place + 1, size)
    assert theirs.path[1:] == tree.inclusion(place)
    proof = tree.consistency(old)
    assert verify_consistency(old, size, proof, tree.root(old), tree.root())
    for end in {old, size}:
        if place < end:
            path = tree.inclusion(place, end)
            assert verify_inclusion(leaf(raw[place]), place, end, path, tree.root(end))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_nothing_but_the_truth_verifies(data):
    size = data.draw(st.integers(1, 40))
    place, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    nodes = leaves(size)
    tree = Tree(nodes)
    root, old_root = tree.root(), tree.root(old) if old else EMPTY_ROOT
    path, growth = tree.inclusion(place), tree.consistency(old)
    assert verify_inclusion(nodes[place], place, size, path, root)
    assert verify_consistency(old, size, growth, old_root, root)
    wrong = leaf(b"wrong")
    assert not verify_inclusion(wrong, place, size, path, root)
    assert not verify_inclusion(nodes[place], place, size, path, wrong)
    assert not verify_inclusion(nodes[place], place, size, [*path, wrong], root)
    assert not verify_consistency(old, size, [*growth, wrong], old_root, root)
    assert not verify_consistency(old, size, growth, wrong, root)
    for other in range(size + 3):
        if other != place:
            assert not verify_inclusion(nodes[place], other, size, path, root)
    if 0 < old < size:
        assert not verify_consistency(old, size, growth, old_root, wrong)
        assert not verify_consistency(old, size, growth[:-1], old_root, root)
        at = data.draw(st.integers(0, len(growth) - 1))
        assert not verify_consistency(
            old, size, [*growth[:at], wrong, *growth[at + 1 :]], old_root, root
        )
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not verify_inclusion(nodes[place], place, size, path[:-1], root)
        broken = [*path[:at], wrong, *path[at + 1 :]]
        assert not verify_inclusion(nodes[place], place, size, broken, root)


def test_odd_claims_are_false():
    nodes = leaves(5)
    tree = Tree(nodes)
    root = tree.root()
    assert not verify_inclusion(nodes[0], -1, 5, tree.inclusion(0), root)
    assert not verify_inclusion(nodes[0], 0, 0, [], root)
    assert not verify_consistency(6, 5, [], root, root)
    assert not verify_consistency(-1, 5, [], root, root)
    assert not verify_consistency(3, 5, [], tree.root(3), root)
    assert verify_consistency(5, 5, [], root, root)
    assert verify_consistency(0, 5, [], EMPTY_ROOT, root)
    assert not verify_consistency(0, 5, [], root, root)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 90), st.integers(0, 90), st.integers(0, 90))
def test_a_frontier_stands_for_all_leaves_before_it(size, start, place):
    start, place = min(start, size), min(place, size - 1)
    nodes = leaves(size)
    whole, part = Tree(nodes), Tree(nodes[start:], Frontier().extend(nodes[:start]))
    assert part.root() == whole.root()
    assert part.consistency(start) == whole.consistency(start)
    if place >= start:
        assert part.inclusion(place) == whole.inclusion(place)


def test_what_is_not_there_is_said():
    nodes = leaves(8)
    part = Tree(nodes[4:], Frontier().extend(nodes[:4]))
    for ask in (
        lambda: part.inclusion(1),
        lambda: part.inclusion(8),
        lambda: part.inclusion(-1),
        lambda: part.consistency(3),
        lambda: part.consistency(9),
        lambda: part.root(9),
        lambda: part.root(3),
    ):
        with pytest.raises(LookupError):
            ask()
    with pytest.raises(ValueError, match="one peak"):
        Frontier(3, (b"",))
