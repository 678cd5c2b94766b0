"""What a conductor writes down for itself, so that after a restart it can go on with its tasks.

The ledger says who was asked and who answered, but never what: it holds digests. So beside every
entry about one of its tasks a conductor keeps a *note* in its own home, told to nobody:

    TaskBegun     with the task entry: the question and the bounds
    BiddersKept   with an award: the capabilities behind its bids, which the receipt will show
    ResultKept    with a result: the signed entry, and the text that it commits to
    ChainTurned   a chain has fallen back to a direct step, or has failed
    EntryKept     an entry by another conductor of the task, where it has stewards (`line`)
    EvidenceKept  with a verdict by another conductor: the entries that it cites
    BoxKept       what another conductor has entrusted to this node, unread

Awards and verdicts are read from the own log itself, so that the log alone decides who owns what.
Everything else follows from these (`remains`). The salts of units are derived from a secret of the
task, and orders from what came before; work that was sent is known again to the byte without being
noted. Notes may be written later than what they speak of, by a moment: what a crash takes then is
asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len
from pydantic import Discriminator

from symphony.core import limits
from symphony.core.spec import TaskSpec
from symphony.core.wire import Codec, Count, Key, Line, Millis, Salt


@dataclass(frozen=True, slots=True)
class TaskBegun:
    """A task was written down, as entry `seq` of the own log. `skills` are what its planners may
    ask for; `boxes` the box keys of its line, if it is durable.
    """

    seq: Annotated[int, Interval(ge=1, le=2**48)]
    salt: Salt
    secret: Salt
    spec: TaskSpec
    wall_ms: Millis
    skills: Annotated[tuple[str, ...], Len(0, 64)] = ()
    boxes: Annotated[tuple[bytes, ...], Len(0, limits.STEWARDS + 1)] = ()
    type: Literal["begun"] = "begun"


@dataclass(frozen=True, slots=True)
class BiddersKept:
    """Capability entries that an award refers to, and no award of this task did before."""

    entries: Annotated[tuple[bytes, ...], Len(1, limits.MAX_LISTINGS_PER_NOTE)]
    type: Literal["bidders"] = "bidders"


@dataclass(frozen=True, slots=True)
class ResultKept:
    """A result that was taken, and what it cost of the budget."""

    entry: Annotated[bytes, Len(1, 20_000)]
    output: Annotated[str, Len(0, limits.MAX_OUTPUT_BYTES)]
    tokens: Count
    type: Literal["result"] = "result"


@dataclass(frozen=True, slots=True)
class ChainTurned:
    """A chain goes on with a direct step; or, with a `code`, it has failed."""

    chain: Count
    why: Line
    code: Annotated[str, Len(0, 64)] = ""
    type: Literal["turned"] = "turned"


@dataclass(frozen=True, slots=True)
class EntryKept:
    """An entry about the task in the log of whoever conducted it: the task, awards, the verdict.
    Only for others: who wrote it has it in its log.
    """

    entry: Annotated[bytes, Len(1, 20_000)]
    type: Literal["entry"] = "entry"


@dataclass(frozen=True, slots=True)
class EvidenceKept:
    """Entries of evidence that the verdict of another conductor cites: its votes are weighed by
    them, and its receipt holds them. Gossip may bring them later, or after this node forgot them.
    """

    entries: Annotated[tuple[bytes, ...], Len(1, limits.MAX_LISTINGS_PER_NOTE)]
    type: Literal["evidence"] = "evidence"


@dataclass(frozen=True, slots=True)
class BoxKept:
    """What another of the line gave this node to keep, as it came: box `number` of list `term`.
    `entry` is the task entry, with the first; `until_wall_ms` the task's deadline.
    """

    giver: Key
    term: Millis
    number: Annotated[int, Interval(ge=1, le=limits.MAX_BOXES)]
    until_wall_ms: Millis
    box: Annotated[bytes, Len(1, limits.MAX_BOX_BYTES)]
    entry: Annotated[bytes, Len(0, 20_000)] = b""
    type: Literal["box"] = "box"


def portions(entries: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    """Entries, so many at a time as a note may hold."""
    for start in range(0, len(entries), limits.MAX_LISTINGS_PER_NOTE):
        yield tuple(entries[start : start + limits.MAX_LISTINGS_PER_NOTE])


TaskNote = TaskBegun | BiddersKept | ResultKept | ChainTurned | EntryKept | EvidenceKept | BoxKept

NOTE: Codec[TaskNote] = Codec(
    Annotated[TaskNote, Discriminator("type")], max_bytes=limits.MAX_NOTE_BYTES
)
