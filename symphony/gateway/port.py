"""What the gateway wants from a node, and nothing more.

The gateway is an adapter: it turns HTTP into calls of one `NodePort` and plain views back into
JSON. It never sees the core, the network or the store, so the whole HTTP surface is tested
against a small scripted port behind a real socket.

Views are frozen values with JSON-ready fields. Ids are lower-case hexadecimal; a node is shown
as its `did:key`, because that is what a person can compare and paste. Times whose name says
`wall` are Unix milliseconds, all others are durations.

Errors cross the port as `symphony.errors`: the gateway maps their `code` to an HTTP status.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import trio

from symphony.capacity import Load, Memory
from symphony.core.events import Event, TaskEnded
from symphony.core.ids import TaskId
from symphony.core.spec import TaskSpec

TaskState = Literal["running", "answered", "not_certified", "failed", "expired", "cancelled"]
ChatRole = Literal["system", "user", "assistant"]
InviteScope = Literal["member", "observer"]


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task. `ended` is its last event, None while it runs. What only the ledger knows has
    no prompt and no answer: `prompt` is empty then, and so is `ended.answer`.

    `receipt` is the digest of the receipt in hexadecimal, empty while there is none.
    """

    id: str
    state: TaskState
    conductor: str
    prompt: str
    chains: int
    rule: str
    planning: str
    answer_type: str
    privacy: str
    budget_tokens: int
    deadline_ms: int
    submitted_wall_ms: int
    receipt: str = ""
    ended: TaskEnded | None = None


@dataclass(frozen=True, slots=True)
class StatusView:
    """The node at a glance."""

    node: str
    peer_id: str
    swarm: str
    swarm_name: str
    version: str
    addresses: tuple[str, ...]
    peers: int
    agents: int
    tasks_running: int
    tasks_ended: int
    ledger_entries: int
    uptime_ms: int
    own_log_frozen: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineView:
    """An engine of this node, as busy as its server says; None where it does not answer."""

    engine: str
    model: str
    load: Load | None


@dataclass(frozen=True, slots=True)
class LoadView:
    """How busy the node's engines are, and the memory of its machine."""

    engines: tuple[EngineView, ...]
    memory: Memory


@dataclass(frozen=True, slots=True)
class PeerView:
    """Another node. `rtt_ms` is None while it is not connected."""

    node: str
    peer_id: str
    connected: bool
    addresses: tuple[str, ...] = ()
    rtt_ms: int | None = None
    agents: int = 0


@dataclass(frozen=True, slots=True)
class SkillView:
    """One thing that an agent says it can do."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent that this node knows. `local` says that this node hosts it, and then `model` is
    a pass-through model of the gateway.
    """

    node: str
    agent: str
    local: bool
    connected: bool
    roles: tuple[str, ...]
    skills: tuple[SkillView, ...]
    model: str
    lineage: str
    engine: str
    context_tokens: int
    concurrency: int
    privacy: tuple[str, ...]
    capability: str = ""


@dataclass(frozen=True, slots=True)
class EntryView:
    """A ledger entry. `position` is its place in this node's store (rising, never reused), the
    cursor of a listing. `body` is the decoded record in plain JSON values.
    """

    position: int
    entry: str
    author: str
    seq: int
    kind: str
    wall_ms: int
    size_bytes: int
    body: Any = None


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a pass-through conversation."""

    role: ChatRole
    content: str


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How a pass-through model shall answer. `answer_schema` is a JSON schema as text, empty
    for free text. None means: what the hosted agent's manifest says.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    answer_schema: str = ""
    deadline_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class ChatText:
    """A piece of a pass-through answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ChatEnd:
    """The end of a complete pass-through answer; exactly one, and it is the last."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


ChatEvent = ChatText | ChatEnd


@dataclass(frozen=True, slots=True)
class InviteView:
    """A join token. It is a secret: it is shown once and is not stored in clear."""

    token: str = field(repr=False)
    scope: InviteScope
    expires_wall_ms: int


class NodePort(Protocol):
    """The node, as seen from its gateway. All methods run in the node's trio loop."""

    async def submit(self, spec: TaskSpec) -> TaskId:
        """Start a task. Raises `UsageError` for a spec outside the limits."""
        ...

    def watch(
        self, task: TaskId | None = None
    ) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Event]]:
        """The events of a task from its start (a bounded history), then live; the channel ends
        after `TaskEnded`. Without a task: every event of the node from now on. A slow watcher
        loses token events first, and never loses `TaskEnded`. For an ended task of which only
        the outcome is known, the one event is its `TaskEnded`. An unknown task: no event at all.
        `TaskEnded.receipt` is the SHA-256 of the receipt (32 bytes), empty if there is none.
        """
        ...

    async def cancel(self, task: TaskId) -> bool:
        """Abort a task everywhere. False if it does not run (any more)."""
        ...

    def task(self, task: TaskId) -> TaskView | None:
        """A task that runs, ended recently, or is known from the ledger."""
        ...

    def tasks(self) -> tuple[TaskView, ...]:
        """The running and the recently ended tasks, newest first."""
        ...

    def status(self) -> StatusView: ...

    async def load(self) -> LoadView:
        """How busy the engines are now; asks each of them, for a moment."""
        ...

    def peers(self) -> tuple[PeerView, ...]: ...

    def agents(self) -> tuple[AgentView, ...]: ...

    def hosts(self, model: str) -> bool:
        """Whether a local agent runs that model; asked for each completion, so not by a listing."""
        ...

    async def ledger(
        self, *, author: bytes | None, limit: int, after: int = 0
    ) -> tuple[EntryView, ...]:
        """Up to `limit` entries whose position is above `after`, oldest first; of one author
        (a 32-byte key) if given.
        """
        ...

    async def receipt(self, digest: bytes) -> bytes | None:
        """A receipt by its digest (32 bytes) or by its task's id (16 bytes), with the best seal
        there is by now. The digest is the SHA-256 of the receipt without a seal.
        """
        ...

    def complete(
        self, model: str, messages: tuple[ChatMessage, ...], options: ChatOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[ChatEvent]]:
        """One answer of a hosted model; leaving the context aborts it in the model server.
        Raises `ModelError` if no local agent has that model, and the engines' errors.
        """
        ...

    async def invite(self, minutes: int, scope: InviteScope) -> InviteView:
        """A new join token. Raises `AdmissionDenied` where this node may not invite."""
        ...
