"""Everything a node can do, as values. The edge runs them in the listed order.

The order carries a promise: an `Append` is durable before any later effect of the same list
runs, so nothing is ever said that a crash could take back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger import Entry, ForkProof, Head, Horizon
from symphony.core.events import Event
from symphony.core.ids import Epoch, NodeId, TaskId, UnitId
from symphony.core.messages import Entrust, Message, Order
from symphony.core.tasks.notes import TaskNote
from symphony.core.timers import Timer

Topic = Literal["entries", "forks"]


@dataclass(frozen=True, slots=True)
class Append:
    """Store these entries, durably, all or none."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class KeepFork:
    """Store this proof that an author signed two entries of one sequence number."""

    proof: ForkProof


@dataclass(frozen=True, slots=True)
class LookUp:
    """Read the stored entry with the claim's author and number, and the one before it; the
    answer is a `LookedUp` input.
    """

    peer: NodeId
    claim: Entry | ForkProof | Head


@dataclass(frozen=True, slots=True)
class HashLog:
    """Compute the Merkle root of the first `size` stored entries of a log; the answer is a
    `LogHashed` input.
    """

    author: NodeId
    size: int


@dataclass(frozen=True, slots=True)
class BeginLog:
    """Let a stored log begin at this horizon (`Store.begin`), before anything is appended that
    comes in the same list.
    """

    horizon: Horizon


@dataclass(frozen=True, slots=True)
class DropBodies:
    """Forget at most `limit` stored bodies that are of no use after the stamp `before`, but none
    of the entries (author and number) in `keep`; if there are none, at most `limit` entries below
    horizons. The answer is a `BodiesDropped` input.
    """

    before: int
    keep: frozenset[tuple[bytes, int]]
    limit: int


@dataclass(frozen=True, slots=True)
class Send:
    """To one connected peer, in order. Dropped if the peer is gone (`PeerDown` will follow)."""

    peer: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class SendSealed:
    """Seal `data` to this box key of a peer, put it into the message's box, and send that."""

    peer: NodeId
    key: bytes
    message: Entrust
    data: bytes


@dataclass(frozen=True, slots=True)
class Unseal:
    """Open these boxes about a task, numbered from 1; the answer is an `Unsealed` input."""

    task: TaskId
    boxes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SendRange:
    """Read entries `first` to `last` of a log and send them in bounded `Entries` frames."""

    peer: NodeId
    author: bytes
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Publish:
    """To everybody, by gossip; may get lost."""

    topic: Topic
    message: Message


@dataclass(frozen=True, slots=True)
class Embed:
    """Turn texts into capability vectors; the answer is an `Embedded` input."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartWork:
    """Run a hosted agent; `WorkMoved`, then `WorkDone` or `WorkFailed`, come back. `own`: for a
    task of this node's own user.
    """

    unit: UnitId
    epoch: Epoch
    agent: str
    order: Order
    deadline_ms: int
    own: bool = False


@dataclass(frozen=True, slots=True)
class CancelWork:
    """Abort the generation of this unit in the model server itself."""

    unit: UnitId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed `timer` back at `at_ms` (or a little later)."""

    timer: Timer
    at_ms: int


@dataclass(frozen=True, slots=True)
class KeepReceipt:
    """Keep the receipt of a task that ended with a verdict."""

    task: TaskId
    receipt: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """Keep this about a task in the home, in order, and together with the next entries; nothing
    is said that rests on it. It comes back as `TaskFound` when the node starts again.
    """

    task: TaskId
    note: TaskNote


@dataclass(frozen=True, slots=True)
class Forget:
    """The notes of this task are of no use any more."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class Tell:
    """A fact for logs, metrics, traces and clients. The core itself never logs."""

    event: Event


@dataclass(frozen=True, slots=True)
class Reject:
    """A peer broke a rule. The edge counts it, and may part with the peer."""

    peer: NodeId
    reason: str


@dataclass(frozen=True, slots=True)
class Meet:
    """A member that we have no connection to can be dialled there; it is `wanted` for itself, and
    not only as one more peer.
    """

    peer: NodeId
    addresses: tuple[str, ...]
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Expel:
    """The founder revoked this invite: whoever came with it is let in no more."""

    invite: bytes


Effect = (
    Append
    | KeepFork
    | LookUp
    | HashLog
    | BeginLog
    | DropBodies
    | Send
    | SendSealed
    | Unseal
    | SendRange
    | Publish
    | Embed
    | StartWork
    | CancelWork
    | SetTimer
    | KeepReceipt
    | Note
    | Forget
    | Tell
    | Reject
    | Expel
    | Meet
)
