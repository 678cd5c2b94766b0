"""Merkle trees over logs, as RFC 9162 (section 2.1) defines them: roots, proofs, verification.

The leaves are the ids of a log's entries: an id is SHA-256(0x00 ‖ header), which is the leaf
hash of that standard, so a chain and its tree are made of the same values. An inner node is
SHA-256(0x01 ‖ left ‖ right), and the left part of a tree is the largest complete one.

`Frontier` is all that is needed to go on: the roots of the complete trees that a log of that
size consists of, at most 63 hashes. It takes one more leaf in constant time on average. `Tree`
makes proofs; it needs the leaves only from some frontier on. `verify_inclusion` and
`verify_consistency` take nothing but a few hashes, so anybody can run them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()
_KEPT_FROM = 32
"""Subtrees at least this large are remembered between the proofs of one tree."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The complete trees of a log, the largest first: one for each bit of `size`."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError("a frontier has one peak for each bit of its size")

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after these leaves as well."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            node, at = leaf, size
            while at & 1:
                node = node_hash(peaks.pop(), node)
                at >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """The root of the whole tree."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


class Tree:
    """The leaves of a log from a frontier on, for making proofs."""

    def __init__(self, leaves: Sequence[bytes], start: Frontier | None = None) -> None:
        """`leaves[0]` is the leaf at place `start.size`."""
        self._leaves = leaves
        self._start = start or Frontier()
        self._known: dict[tuple[int, int], bytes] = {}
        first = 0
        bits = reversed(range(self._start.size.bit_length()))
        sizes = [1 << bit for bit in bits if self._start.size >> bit & 1]
        for size, peak in zip(sizes, self._start.peaks, strict=True):
            self._known[first, first + size] = peak
            first += size

    @property
    def size(self) -> int:
        """How many leaves the log has."""
        return self._start.size + len(self._leaves)

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` leaves."""
        end = self._checked(size)
        return self._hash(0, end) if end else EMPTY_ROOT

    def inclusion(self, place: int, size: int | None = None) -> list[bytes]:
        """The proof that the leaf at `place`, from 0, is in the tree of the first `size`.

        Raises `LookupError` for a leaf before the frontier that the tree starts from.
        """
        end = self._checked(size)
        if not 0 <= place < end:
            raise LookupError(f"a tree of {end} leaves has none at {place}")
        return self._path(place, 0, end)

    def consistency(self, old_size: int, size: int | None = None) -> list[bytes]:
        """The proof that the tree of the first `size` leaves grew from that of `old_size`.

        Raises `LookupError` when it takes leaves before the frontier that the tree starts from.
        """
        end = self._checked(size)
        if not 0 <= old_size <= end:
            raise LookupError(f"a tree of {end} leaves never had {old_size}")
        if old_size in (0, end):
            return []
        return self._subproof(old_size, 0, end, whole=True)

    def _checked(self, size: int | None) -> int:
        end = self.size if size is None else size
        if not self._start.size <= end <= self.size:
            raise LookupError(f"leaves {self._start.size} to {self.size} are here, not {end}")
        return end

    def _hash(self, first: int, end: int) -> bytes:
        """The root of the leaves from `first` to before `end`."""
        known = self._known.get((first, end))
        if known is not None:
            return known
        if end - first == 1:
            if first < self._start.size:
                raise LookupError(f"leaf {first} is before the frontier")
            return self._leaves[first - self._start.size]
        middle = first + _left(end - first)
        node = node_hash(self._hash(first, middle), self._hash(middle, end))
        if end - first >= _KEPT_FROM:
            self._known[first, end] = node
        return node

    def _path(self, place: int, first: int, end: int) -> list[bytes]:
        if end - first == 1:
            return []
        middle = first + _left(end - first)
        if place < middle:
            return [*self._path(place, first, middle), self._hash(middle, end)]
        return [*self._path(place, middle, end), self._hash(first, middle)]

    def _subproof(self, old_end: int, first: int, end: int, *, whole: bool) -> list[bytes]:
        if old_end == end:
            return [] if whole else [self._hash(first, end)]
        middle = first + _left(end - first)
        if old_end <= middle:
            below = self._subproof(old_end, first, middle, whole=whole)
            return [*below, self._hash(middle, end)]
        below = self._subproof(old_end, middle, end, whole=False)
        return [*below, self._hash(first, middle)]


def verify_inclusion(
    leaf: bytes, place: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Is `leaf` at `place`, from 0, in the tree of `size` leaves with this root? (2.1.3.2)"""
    if not 0 <= place < size:
        return False
    at, last, node = place, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes
) -> bool:
    """Did the tree of `size` leaves grow from that of `old_size` by appending? (2.1.4.2)"""
    if not 0 <= old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # a complete tree is part of the path itself
        path.insert(0, old_root)
    if not path:
        return False
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_node = node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_node = node_hash(sibling, old_node)
            node = node_hash(sibling, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old_node == old_root and node == root


def _left(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1
