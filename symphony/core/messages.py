"""What nodes say to one another and then forget: the ephemera of the protocol.

Frames travel over connections whose other end is proven (its key *is* the peer's id), and gossip
carries the signature of its author. So none of them needs a signature of its own: who speaks is
known, and nothing of what is said here is ever shown to anybody else. What must be shown later,
awards and results, are entries of the ledger.

`decode` accepts any bytes and raises only `DecodeError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len
from pydantic import Discriminator

from symphony.core import limits
from symphony.core.peers.presence import PeerWord
from symphony.core.records import AnswerType, Requirement
from symphony.core.wire import Codec, Count, Digest, Id16, Key, Line, Millis, Name, Salt


@dataclass(frozen=True, slots=True)
class UnitCall:
    """One unit that wants an owner."""

    unit: Id16
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class Beacon:
    """Who bids? Units that are ready together share one beacon."""

    beacon: Id16
    task: Id16
    conductor: Key
    calls: Annotated[tuple[UnitCall, ...], Len(1, limits.MAX_CHAINS)]
    window_ms: Millis
    type: Literal["beacon"] = "beacon"


@dataclass(frozen=True, slots=True)
class Bid:
    """One agent offers to own one unit. It says how busy it is, never how good."""

    unit: Id16
    agent: Name
    capability: Digest
    free: Count
    queued: Count
    estimate_ms: Millis


@dataclass(frozen=True, slots=True)
class Bids:
    """A node's answer to one beacon; without any bid it is a polite no, so that nobody waits."""

    beacon: Id16
    bids: Annotated[tuple[Bid, ...], Len(0, limits.MAX_CHAINS * limits.MAX_BIDS_PER_NODE)]
    type: Literal["bids"] = "bids"


@dataclass(frozen=True, slots=True)
class Quote:
    """The output of an earlier step, with its origin: data for the next owner, never an order."""

    step: Name
    question: Annotated[str, Len(0, limits.MAX_QUESTION_CHARS)]
    owner: Key
    text: Annotated[str, Len(0, limits.MAX_OUTPUT_BYTES)]


@dataclass(frozen=True, slots=True)
class Order:
    """The work itself: what the owner of a unit is to answer, and in which form."""

    role: Literal["plan", "solve", "judge"]
    question: Annotated[str, Len(1, limits.MAX_PROMPT_BYTES)]
    quotes: Annotated[tuple[Quote, ...], Len(0, limits.MAX_STEPS)] = ()
    skills: Annotated[tuple[Name, ...], Len(0, 64)] = ()
    goal: Annotated[str, Len(0, limits.MAX_PROMPT_BYTES)] = ""
    final: bool = True
    answer_type: AnswerType = "text"
    choices: Annotated[tuple[Line, ...], Len(0, 64)] = ()
    answer_schema: Annotated[str, Len(0, limits.MAX_PLAN_BYTES)] = ""
    complaint: Annotated[str, Len(0, 600)] = ""
    max_tokens: Annotated[int, Interval(ge=1, le=limits.MAX_TOKENS)] = 512
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)] = 0


@dataclass(frozen=True, slots=True)
class Work:
    """The award, as the signed ledger entry it is, with the order that it entitles to do.

    With `after` it comes ahead: to be begun when that unit of the same owner is done, whose output
    is the one that the order lacks. From a steward `task` is the task entry that names it.
    """

    entry: Annotated[bytes, Len(1, 20_000)]
    unit: Id16
    epoch: Annotated[int, Interval(ge=1, le=2**31)]
    order: Order
    salt: Salt
    deadline_ms: Millis
    after: Id16 | None = None
    task: Annotated[bytes, Len(0, 20_000)] = b""
    type: Literal["work"] = "work"


@dataclass(frozen=True, slots=True)
class Refused:
    """The owner can't take the work after all. `begun`: it had, and some tokens may be spent."""

    unit: Id16
    epoch: Count
    reason: Line
    begun: bool = False
    type: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class Progress:
    """The owner renews its lease; new text since the last one rides along, for the eye only."""

    unit: Id16
    epoch: Count
    number: Count
    text: Annotated[str, Len(0, limits.MAX_PROGRESS_CHARS)]
    type: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class Renewed:
    """The conductor acknowledges a renewal: the owner may go on for another lease."""

    unit: Id16
    epoch: Count
    number: Count
    type: Literal["renewed"] = "renewed"


@dataclass(frozen=True, slots=True)
class Done:
    """The owner's signed result entry, and the text that the entry commits to. `begun` are the
    units that came ahead, waited for this one, and are worked on now.
    """

    entry: Annotated[bytes, Len(1, 20_000)]
    unit: Id16
    epoch: Count
    output: Annotated[str, Len(0, limits.MAX_OUTPUT_BYTES)]
    begun: Annotated[tuple[Id16, ...], Len(0, limits.MAX_STEPS)] = ()
    type: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Stop:
    """The conductor no longer wants this unit: abort the generation."""

    unit: Id16
    epoch: Count
    type: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads vector of `ledger.sync`, encoded there. `reply` asks for the other side's."""

    heads: Annotated[bytes, Len(1, limits.MAX_FRAME_BYTES)]
    reply: bool
    type: Literal["heads"] = "heads"


@dataclass(frozen=True, slots=True)
class Reconcile:
    """A frame of `ledger.reconcile`: a request, or the answer to one of ours."""

    frame: Annotated[bytes, Len(1, limits.MAX_RECONCILE_BYTES)]
    answer: bool
    type: Literal["reconcile"] = "reconcile"


@dataclass(frozen=True, slots=True)
class Want:
    """Please send me entries `first` to `last` of this log."""

    author: Key
    first: Annotated[int, Interval(ge=1, le=2**48)]
    last: Annotated[int, Interval(ge=1, le=2**48)]
    type: Literal["want"] = "want"


@dataclass(frozen=True, slots=True)
class Entries:
    """Ledger entries in their wire form: by gossip, or in answer to a `Want`."""

    entries: Annotated[tuple[bytes, ...], Len(1, 2048)]
    asked: bool = False
    type: Literal["entries"] = "entries"


@dataclass(frozen=True, slots=True)
class HeadAsked:
    """I have just started, and my log ends here as far as I know. Where does it end for you?"""

    seq: Annotated[int, Interval(ge=0, le=2**48)]
    id: Digest
    type: Literal["head_asked"] = "head_asked"


@dataclass(frozen=True, slots=True)
class HeadTold:
    """Your log ends with this entry, as far as I know; empty if I know nothing of it. It comes
    without its body: your own signature is what counts.
    """

    entry: Annotated[bytes, Len(0, limits.MAX_BARE_ENTRY_BYTES)] = b""
    type: Literal["head_told"] = "head_told"


@dataclass(frozen=True, slots=True)
class Fork:
    """A `ledger.ForkProof`, encoded: relayed by everybody who had not seen it."""

    proof: Annotated[bytes, Len(1, 2048)]
    type: Literal["fork"] = "fork"


@dataclass(frozen=True, slots=True)
class CosignAsked:
    """My newest checkpoint, as the signed entry it is. Do you see the same log?"""

    entry: Annotated[bytes, Len(1, 20_000)]
    type: Literal["cosign_asked"] = "cosign_asked"


@dataclass(frozen=True, slots=True)
class Entrust:
    """Keep this for me: note `number` of list `term` about a task of whose line you are, sealed to
    you. The task ends in `left_ms`; `entry` is the task entry, with the first note.
    """

    task: Id16
    term: Millis
    number: Annotated[int, Interval(ge=1, le=limits.MAX_BOXES)]
    left_ms: Millis
    entry: Annotated[bytes, Len(0, 20_000)] = b""
    box: Annotated[bytes, Len(0, limits.MAX_BOX_BYTES)] = b""
    type: Literal["entrust"] = "entrust"

    @property
    def about(self) -> bytes:
        """What the box is bound to."""
        return about_box(self.task, self.number)


def about_box(task: bytes, number: int) -> bytes:
    """What a box with this note of this task is bound to."""
    return task + number.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Tending:
    """I conduct this task, and have given out so many notes of list `term`; `over`: it has ended,
    and they say how.
    """

    task: Id16
    term: Millis
    count: Count
    left_ms: Millis
    over: bool = False
    type: Literal["tending"] = "tending"


@dataclass(frozen=True, slots=True)
class Entrusted:
    """I hold the first `count` notes of your list. `tended`: this answers a `Tending`; `full`: I
    can't take any more.
    """

    task: Id16
    term: Millis
    count: Count
    tended: bool = False
    full: bool = False
    type: Literal["entrusted"] = "entrusted"


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A client of mine wants this task, of whose line we are, to be cancelled."""

    task: Id16
    type: Literal["cancel_asked"] = "cancel_asked"


LineWord = Entrust | Tending | Entrusted | CancelAsked
"""What those in line for a durable task say to one another."""

Sync = Heads | Reconcile | Want | Entries
"""What makes ledgers equal."""

ForOwner = Beacon | Work | Renewed | Stop
"""What a conductor says to those who work for it, or might."""

FromOwner = Progress | Done | Refused
"""What they say to it of a unit that is theirs."""

Message = (
    Beacon
    | Bids
    | Work
    | Refused
    | Progress
    | Renewed
    | Done
    | Stop
    | PeerWord
    | Heads
    | Reconcile
    | Want
    | Entries
    | HeadAsked
    | HeadTold
    | Fork
    | CosignAsked
    | LineWord
)

_CODEC: Codec[Message] = Codec(
    Annotated[Message, Discriminator("type")], max_bytes=limits.MAX_FRAME_BYTES
)


def encode(message: Message) -> bytes:
    return _CODEC.encode(message)


def decode(data: bytes) -> Message:
    """Raises `ledger.errors.DecodeError`."""
    return _CODEC.decode(data)


ORDER: Codec[Order] = Codec(Order, max_bytes=limits.MAX_FRAME_BYTES)


def encode_order(order: Order) -> bytes:
    """The bytes that the `input` digest of a result commits to."""
    return ORDER.encode(order)
