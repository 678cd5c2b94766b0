"""A scripted `NodePort`: tasks end as the script says, and everything asked of it is recorded.

It runs in the trio loop of the server; what tests in other threads wait for goes through
thread-safe queues (`cancelled`, `aborted`), what they change goes through `Live.call`.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import trio

from symphony.capacity import Gpu, Load, Memory
from symphony.core.events import (
    BallotCast,
    BallotView,
    BeaconSent,
    Event,
    TaskAccepted,
    TaskEnded,
    TokensSeen,
    UnitAwarded,
)
from symphony.core.ids import Epoch, NodeId, TaskId
from symphony.core.spec import TaskSpec
from symphony.errors import ModelError, SymphonyError
from symphony.gateway.port import (
    AgentView,
    ChatEnd,
    ChatEvent,
    ChatMessage,
    ChatOptions,
    ChatText,
    EngineView,
    EntryView,
    InviteScope,
    InviteView,
    LoadView,
    PeerView,
    SkillView,
    StatusView,
    TaskView,
)

NODE = NodeId(bytes(range(32)))
DID = "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd"
HOSTED = "tiny-135m"
RECEIPT = b"\xa1\x61v\x01 a receipt"
DIGEST = hashlib.sha256(RECEIPT).digest()


def ending(task: TaskId, **changes: Any) -> TaskEnded:
    """A good verdict, but for `changes`."""
    facts: dict[str, Any] = {
        "task": task,
        "at_ms": 1500,
        "outcome": "answered",
        "answer": "42",
        "ballots": (BallotView(0, NODE, HOSTED, "42", 1_000_000),),
        "stop": "exact: no ballot left can change the winner",
        "error": "",
        "message": "",
        "owner_failovers": 1,
        "tokens": 77,
        "prompt_tokens": 60,
        "receipt": DIGEST,
        "phases_ms": {"bids": 4, "work": 1400},
        "settled": "exact",
        "agreeing": 1,
        "answers": 1,
        "level": 1,
    }
    return TaskEnded(**(facts | changes))


def usual_events(task: TaskId, spec: TaskSpec) -> list[Event]:
    return [
        TaskAccepted(task, 0, spec.chains, spec.planning, spec.rule),
        BeaconSent(task, 1, ("step/0/s1",), 2),
        UnitAwarded(task, 5, "step/0/s1", Epoch(1), NODE, "solver", HOSTED, 900_000, 2),
        TokensSeen(task, 20, "step/0/s1", NODE, "4"),
        TokensSeen(task, 30, "step/0/s1", NODE, "2\n\u2028"),
        BallotCast(task, 1400, 0, NODE, "42", 1_000_000),
    ]


class FakePort:
    """Set `ends` to change the verdict, `holding` to keep tasks running until cancelled."""

    def __init__(self) -> None:
        self.specs: list[TaskSpec] = []
        self.chats: list[tuple[str, tuple[ChatMessage, ...], ChatOptions]] = []
        self.submitted = threading.Event()
        self.cancelled: queue.Queue[TaskId] = queue.Queue()
        self.aborted: queue.Queue[str] = queue.Queue()
        self.ends: Callable[[TaskId], TaskEnded] = ending
        self.holding = False
        self.refuses: SymphonyError | None = None
        self.chat_fails: SymphonyError | None = None
        self.chat_holds = False
        self._events: dict[TaskId, list[Event]] = {}
        self._specs: dict[TaskId, TaskSpec] = {}
        self._firehose: list[Event] = []
        self._moved = trio.Event()

    async def submit(self, spec: TaskSpec) -> TaskId:
        await trio.lowlevel.checkpoint()
        if self.refuses is not None:
            raise self.refuses
        self.specs.append(spec)
        task = TaskId(len(self.specs).to_bytes(16, "big"))
        self._specs[task] = spec
        self._events[task] = []
        for event in usual_events(task, spec):
            self.tell(event)
        if not self.holding:
            self.tell(self.ends(task))
        self.submitted.set()
        return task

    def tell(self, event: Event) -> None:
        """One more event happens."""
        self._firehose.append(event)
        task = getattr(event, "task", None)
        if task is not None:
            self._events[task].append(event)
        moved, self._moved = self._moved, trio.Event()
        moved.set()

    @asynccontextmanager
    async def watch(
        self, task: TaskId | None = None
    ) -> AsyncIterator[trio.MemoryReceiveChannel[Event]]:
        send, receive = trio.open_memory_channel[Event](0)
        source = self._firehose if task is None else self._events.get(task, [])
        start = len(source) if task is None else 0

        async def pump() -> None:
            position = start
            with send:
                while True:
                    moved = self._moved
                    while position < len(source):
                        event = source[position]
                        position += 1
                        await send.send(event)
                        if task is not None and isinstance(event, TaskEnded):
                            return
                    await moved.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump)
            with receive:
                yield receive
            nursery.cancel_scope.cancel()

    async def cancel(self, task: TaskId) -> bool:
        await trio.lowlevel.checkpoint()
        if self._ended(task) is not None:
            return False
        self.tell(ending(task, outcome="cancelled", answer="", error="cancelled", receipt=b""))
        self.cancelled.put(task)
        return True

    def _ended(self, task: TaskId) -> TaskEnded | None:
        events = self._events[task]
        return events[-1] if events and isinstance(events[-1], TaskEnded) else None

    def task(self, task: TaskId) -> TaskView | None:
        spec = self._specs.get(task)
        if spec is None:
            return None
        ended = self._ended(task)
        return TaskView(
            id=task.hex(),
            state=ended.outcome if ended else "running",
            conductor=DID,
            prompt=spec.prompt,
            chains=spec.chains,
            rule=spec.rule,
            planning=spec.planning,
            answer_type=spec.answer_type,
            privacy=spec.privacy,
            budget_tokens=spec.budget_tokens,
            deadline_ms=spec.deadline_ms,
            submitted_wall_ms=1_700_000_000_000,
            receipt=ended.receipt.hex() if ended else "",
            ended=ended,
        )

    def tasks(self) -> tuple[TaskView, ...]:
        return tuple(view for task in reversed(self._specs) if (view := self.task(task)))

    def status(self) -> StatusView:
        running = sum(1 for task in self._specs if self._ended(task) is None)
        return StatusView(
            node=DID,
            peer_id="12D3KooWFake",
            swarm="ab" * 32,
            swarm_name="test",
            version="0",
            addresses=("/ip4/127.0.0.1/tcp/1",),
            peers=2,
            agents=1,
            tasks_running=running,
            tasks_ended=len(self._specs) - running,
            ledger_entries=3,
            uptime_ms=10,
        )

    async def load(self) -> LoadView:
        load = Load(waiting=1, running=2, completion_tokens=9)
        memory = Memory(1_000_000, 2_000_000, (Gpu("H100", 3, 80),))
        return LoadView((EngineView("replay", HOSTED, load),), memory)

    def peers(self) -> tuple[PeerView, ...]:
        return (PeerView(DID, "12D3KooWFake", True, ("/ip4/127.0.0.1/tcp/2",), 3, 1),)

    def agents(self) -> tuple[AgentView, ...]:
        skills = (SkillView("math", "adds"),)
        facts = (("solve",), skills, HOSTED, "smol", "replay", 2048, 2, ("swarm",))
        return (
            AgentView(DID, "solver", True, True, *facts),
            AgentView(DID, "far", False, True, ("solve",), skills, "far-7b", *facts[3:]),
        )

    def hosts(self, model: str) -> bool:
        return model == HOSTED

    async def ledger(
        self, *, author: bytes | None, limit: int, after: int = 0
    ) -> tuple[EntryView, ...]:
        await trio.lowlevel.checkpoint()
        if author not in (None, NODE):
            return ()
        entries = [
            EntryView(n, "cd" * 32, DID, n, "task", 1_700_000_000_000, 99, {"chains": 3})
            for n in range(1, 4)
        ]
        return tuple(entry for entry in entries if entry.position > after)[:limit]

    async def receipt(self, digest: bytes) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return RECEIPT if digest == DIGEST or digest in self._specs else None

    @asynccontextmanager
    async def complete(
        self, model: str, messages: tuple[ChatMessage, ...], options: ChatOptions
    ) -> AsyncIterator[AsyncIterator[ChatEvent]]:
        self.chats.append((model, messages, options))
        if model != HOSTED:
            raise ModelError(f"no {model}")
        try:
            async with aclosing(self._chat()) as chat:
                yield chat
        finally:
            self.aborted.put(model)

    async def _chat(self) -> AsyncGenerator[ChatEvent]:
        if self.chat_fails is not None:
            raise self.chat_fails
        yield ChatText("Hel")
        if self.chat_holds:
            await trio.sleep_forever()
        yield ChatText("lo")
        yield ChatEnd("stop", 5, 2)

    async def invite(self, minutes: int, scope: InviteScope) -> InviteView:
        await trio.lowlevel.checkpoint()
        if self.refuses is not None:
            raise self.refuses
        return InviteView("token-of-joy", scope, 1_700_000_000_000 + minutes * 60_000)
