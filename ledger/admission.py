"""The seven things that can become of an entry: what `Book.admit` answers.

A closed union of frozen dataclasses, to be taken apart with `match`:

    Accepted   store it, forward it, act on it; with it the waiting entries that it released
    Pending    too early: ask for the missing range
    Duplicate  nothing new; compare with the store if it says so
    Held       dated in the future: show it again later
    Refused    breaks a rule or a limit: drop it
    Begun      a horizon that was asked for: the log begins there, and the next one follows it
    Forked     proof that its author signed two histories: store and spread the proof
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ledger.entry import Entry
from ledger.errors import Reason
from ledger.fork import ForkProof
from ledger.horizon import Horizon


@dataclass(frozen=True, slots=True)
class Accepted:
    """The entry, then the pending successors that it released, in order."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """The first gap before it, both ends included. The entry itself is inside the gap when it
    was too far ahead to be kept.
    """

    missing_from: int
    missing_to: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Its number is in the log already.

    `compare`: the book does not remember the id. Fetch the stored entry of that number and call
    `Book.conflicts`; nothing was verified yet.
    """

    compare: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Signed, but dated too far ahead; not kept. Admit it again at `until_ms`."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Not to be stored or forwarded."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The book lets this log begin at the horizon; everything in it is verified. The entry itself
    comes again at its place.
    """

    horizon: Horizon


@dataclass(frozen=True, slots=True)
class Forked:
    """The book has frozen the log; the proof is verified."""

    proof: ForkProof


Admission: TypeAlias = Accepted | Pending | Duplicate | Held | Refused | Begun | Forked
