"""Everything that can happen to a node, as values. A closed vocabulary.

Times inside inputs are on the same monotonic clock as the `now_ms` handed to `Swarm.handle`,
except where a name says `wall`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger import Entry, ForkProof, Head
from symphony.core.ids import Epoch, NodeId, TaskId, UnitId
from symphony.core.messages import Message
from symphony.core.records import AnswerType, Capability
from symphony.core.spec import TaskSpec
from symphony.core.tasks.notes import TaskNote
from symphony.core.timers import Timer


@dataclass(frozen=True, slots=True)
class WallClock:
    """The wall clock read now: entries carry wall time, timeouts never use it."""

    wall_ms: int


@dataclass(frozen=True, slots=True)
class OwnLogMark:
    """What the edge knows of the own log besides the database: the highest number of an entry
    that may have been spoken, and how many other nodes could know more (none for a key that was
    just made). `unasked`: the owner of the node takes the risk of not asking them.
    """

    seq: int = 0
    known_peers: int = 0
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The edge is up. `agents` are the capabilities of the agents that this node hosts, and
    `addresses` where others can dial it; `box` is the public half of its box key, and
    `operator` who runs it, as the founder vouches in its proof.
    """

    agents: tuple[Capability, ...]
    incarnation: int
    addresses: tuple[str, ...] = ()
    own_log: OwnLogMark = OwnLogMark()
    box: bytes | None = None
    operator: str = ""


@dataclass(frozen=True, slots=True)
class AgentsChanged:
    """The hosted agents are now exactly these."""

    agents: tuple[Capability, ...]


@dataclass(frozen=True, slots=True)
class PeerUp:
    """An admitted peer is connected. `operator` is who runs it, as the founder vouched; an
    `observer` was let in to see the ledger, not to work.
    """

    peer: NodeId
    rtt_ms: int
    operator: str = ""
    observer: bool = False


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The connection to a peer is gone."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Heard:
    """A message came from a connected peer, or by gossip from its author."""

    peer: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class EntriesStored:
    """Entries read back from the store when the node opens, oldest first."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class TaskFound:
    """The notes of a task that had not ended when the node stopped, in order; before `Started`."""

    task: TaskId
    notes: tuple[TaskNote, ...]


@dataclass(frozen=True, slots=True)
class Unsealed:
    """The answer to `Unseal`: what lay in the boxes, from the first on, as far as they opened."""

    task: TaskId
    notes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A client of this node asks for a task that this node may hold for another."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The answer to `LookUp(peer, claim)`: what is stored at the claim's number, and before."""

    peer: NodeId
    claim: Entry | ForkProof | Head
    stored: Entry | None
    before: Entry | None


@dataclass(frozen=True, slots=True)
class LogHashed:
    """The answer to `HashLog`; `root` is None if not all of these entries are stored."""

    author: NodeId
    size: int
    root: bytes | None


@dataclass(frozen=True, slots=True)
class SealWanted:
    """Somebody fetched a receipt that no checkpoint covers yet, or that lacks witnesses."""


@dataclass(frozen=True, slots=True)
class BodiesDropped:
    """The answer to `DropBodies`: how many there were."""

    count: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that `SetTimer` asked for is due, or long past."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class WorkMoved:
    """The engine of this node produced more text for a unit."""

    unit: UnitId
    epoch: Epoch
    text: str


@dataclass(frozen=True, slots=True)
class WorkDone:
    """The engine of this node finished a unit."""

    unit: UnitId
    epoch: Epoch
    output: str
    model: str
    engine: str
    prompt_tokens: int
    completion_tokens: int
    elapsed_ms: int
    logprob_milli: int | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """The engine of this node could not finish a unit. `reason` goes into the ledger, for everybody
    to read: nothing that a stranger wrote, no address, no piece of a text.
    """

    unit: UnitId
    epoch: Epoch
    reason: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """The answer to `Embed(texts)`; without an encoder there are no vectors."""

    encoder: str | None
    texts: tuple[str, ...]
    vectors: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Submit:
    """A task for this node to conduct. `task` and `salt` are drawn by the edge."""

    task: TaskId
    salt: bytes
    spec: TaskSpec


@dataclass(frozen=True, slots=True)
class Probe:
    """A task like any other, but its answer is known here, and how to read it from an output,
    whatever the task says of its form; see `probing`.
    """

    task: TaskId
    salt: bytes
    spec: TaskSpec
    answer: str
    form: AnswerType


@dataclass(frozen=True, slots=True)
class Cancel:
    """The client no longer wants the task, or is gone."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class Revoke:
    """The founder takes an invite back; `invite` is its 16-byte id."""

    invite: bytes


Input = (
    WallClock
    | Started
    | AgentsChanged
    | PeerUp
    | PeerDown
    | Heard
    | EntriesStored
    | TaskFound
    | Unsealed
    | Wanted
    | LookedUp
    | LogHashed
    | BodiesDropped
    | SealWanted
    | TimerFired
    | WorkMoved
    | WorkDone
    | WorkFailed
    | Embedded
    | Submit
    | Probe
    | Cancel
    | Revoke
)
