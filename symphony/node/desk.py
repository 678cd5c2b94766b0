"""The node as its gateway sees it: implements `symphony.gateway.port.NodePort`.

Everything here runs in the node's own trio loop, so reading the core's state between two inputs
is safe; changing it goes through the loop's inbox like everything else.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from ledger import PrivateKey, Store, did_key, peer_id
from symphony.core import limits as core_limits
from symphony.core.events import Event
from symphony.core.ids import TASK_ID_BYTES, NodeId, TaskId
from symphony.core.inputs import Cancel, Submit, Wanted
from symphony.core.peers.genesis import Genesis
from symphony.core.spec import TaskSpec
from symphony.core.stewards.charges import Charge
from symphony.engines.base import JsonSchema
from symphony.engines.constraints import check_constraint
from symphony.errors import ModelError, UsageError
from symphony.gateway.port import (
    AgentView,
    ChatEvent,
    ChatMessage,
    ChatOptions,
    EntryView,
    InviteScope,
    InviteView,
    LoadView,
    PeerView,
    StatusView,
    TaskView,
)
from symphony.invites import create_invite
from symphony.net import PeerInfo
from symphony.node import limits
from symphony.node.hub import Hub
from symphony.node.load import look
from symphony.node.loop import Loop
from symphony.node.passing import PassedThrough, chat_request
from symphony.node.receipts import Receipts
from symphony.node.views import agent_view, charge_view, entry_view, peer_view, task_view
from symphony.node.workshop import HostedAgent, Workshop
from symphony.version import __version__


class Desk:
    """One node's front office."""

    def __init__(
        self,
        loop: Loop,
        store: Store,
        hub: Hub,
        workshop: Workshop,
        key: PrivateKey,
        genesis: Genesis,
        home: Path,
    ) -> None:
        self._loop = loop
        self._store = store
        self._hub = hub
        self._workshop = workshop
        self._key = key
        self._genesis = genesis
        self._home = home
        self._receipts = Receipts(home / "receipts", loop, store, hub)
        self._started = trio.current_time()
        self.addresses: tuple[str, ...] = ()
        self.net_peers: Callable[[], tuple[PeerInfo, ...]] = tuple
        self.warnings: tuple[str, ...] = ()

    @property
    def _me(self) -> NodeId:
        return self._loop.swarm.me

    # --- tasks --------------------------------------------------------------------------------

    async def submit(self, spec: TaskSpec) -> TaskId:
        """Begin a task. Who is told its id finds it again, whatever happens to this process."""
        check_spec(spec)
        task = TaskId(os.urandom(TASK_ID_BYTES))
        self._hub.begin(task, spec, time.time_ns() // 1_000_000)
        await self._loop.feed(Submit(task, os.urandom(16), spec))
        with trio.move_on_after(limits.SUBMIT_WAIT_S):  # held back while the own log is shut
            await self._hub.begun(task)
        return task

    @asynccontextmanager
    async def watch(
        self, task: TaskId | None = None
    ) -> AsyncIterator[trio.MemoryReceiveChannel[Event]]:
        kept = task is not None and self._charge(task) is not None
        async with self._hub.watch(task, expected=kept) as events:
            if task is not None and kept:
                await self._loop.feed(Wanted(task))
            yield events

    def _charge(self, task: TaskId) -> Charge | None:
        """A durable task of whose line this node is."""
        return self._loop.swarm.conductor.stewarding.keeping.charge(task)

    async def cancel(self, task: TaskId) -> bool:
        story, charge = self._hub.story(task), self._charge(task)
        here = story is not None and story.ended is None
        elsewhere = story is None and charge is not None and charge.over is None
        if not here and not elsewhere:
            return False
        await self._loop.feed(Cancel(task))
        return True

    def task(self, task: TaskId) -> TaskView | None:
        story, charge = self._hub.story(task), self._charge(task)
        if story is not None:
            return task_view(task, story, self._me)
        return charge_view(charge, time.time_ns() // 1_000_000) if charge is not None else None

    def tasks(self) -> tuple[TaskView, ...]:
        return tuple(task_view(task, story, self._me) for task, story in self._hub.stories())

    async def receipt(self, digest: bytes) -> bytes | None:
        return await self._receipts.find(digest)

    # --- views --------------------------------------------------------------------------------

    def status(self) -> StatusView:
        swarm = self._loop.swarm
        stories = self._hub.stories()
        running = sum(story.ended is None for _, story in stories)
        book = swarm.journal.book
        return StatusView(
            node=did_key(self._me),
            peer_id=peer_id(self._me),
            swarm=self._genesis.swarm_id.hex(),
            swarm_name=self._genesis.name,
            version=__version__,
            addresses=self.addresses,
            peers=len(self.net_peers()),
            agents=len(self._workshop.agents),
            tasks_running=running,
            tasks_ended=len(stories) - running,
            ledger_entries=sum(head.seq for head in book.heads().values()),
            uptime_ms=round((trio.current_time() - self._started) * 1000),
            own_log_frozen=book.frozen_at(self._me) is not None,
            warnings=self.warnings,
        )

    async def load(self) -> LoadView:
        return await look(self._workshop.agents.values())

    def peers(self) -> tuple[PeerView, ...]:
        directory = self._loop.swarm.directory
        return tuple(peer_view(info, directory) for info in self.net_peers())

    def agents(self) -> tuple[AgentView, ...]:
        swarm = self._loop.swarm
        alive = swarm.members.alive()
        return tuple(
            agent_view(listing, self._me, alive)
            for listing in swarm.directory
            if not listing.capability.withdrawn
        )

    async def ledger(
        self, *, author: bytes | None, limit: int, after: int = 0
    ) -> tuple[EntryView, ...]:
        rows = await self._loop.on_disk(
            lambda: self._store.entries(author=author, limit=limit, after=after)
        )
        return tuple(entry_view(position, entry) for position, entry in rows)

    # --- pass-through and invites -------------------------------------------------------------

    def complete(
        self, model: str, messages: tuple[ChatMessage, ...], options: ChatOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[ChatEvent]]:
        agent = self._hosting(model)
        return PassedThrough(agent.engine.generate(chat_request(agent, messages, options)))

    def hosts(self, model: str) -> bool:
        return any(agent.description.model == model for agent in self._workshop.agents.values())

    def _hosting(self, model: str) -> HostedAgent:
        for agent in self._workshop.agents.values():
            if agent.description.model == model:
                return agent
        known = ", ".join(sorted({a.description.model for a in self._workshop.agents.values()}))
        raise ModelError(
            f"no agent of this node runs {model!r}",
            hint=f"hosted here: {known or 'nothing'}",
        )

    async def invite(self, minutes: int, scope: InviteScope) -> InviteView:
        invite = await self._loop.on_disk(
            partial(
                create_invite,
                self._home,
                key=self._key,
                genesis=self._genesis,
                now_ms=time.time_ns() // 1_000_000,
                minutes=minutes,
                scope=scope,
                addresses=self.addresses,
            )
        )
        return InviteView(invite.token(), scope, invite.parsed_grant().expires_ms)


def check_spec(spec: TaskSpec) -> None:
    """Raises `UsageError` for a task that is outside the protocol's limits."""
    prompt_bytes = len(spec.prompt.encode())
    rules = (
        (bool(spec.prompt.strip()), "a task needs a question"),
        (
            prompt_bytes <= core_limits.MAX_PROMPT_BYTES,
            f"a question has at most {core_limits.MAX_PROMPT_BYTES} bytes, this has {prompt_bytes}",
        ),
        (
            1 <= spec.chains <= core_limits.MAX_CHAINS,
            f"a task has 1 to {core_limits.MAX_CHAINS} chains",
        ),
        (
            1 <= spec.deadline_ms <= core_limits.MAX_DEADLINE_MS,
            "the deadline is between 1 ms and a day",
        ),
        (1 <= spec.budget_tokens < 2**32, "the budget is at least one token"),
        (
            0 <= spec.max_nodes <= core_limits.MAX_NODES,
            f"a task may be limited to at most {core_limits.MAX_NODES} nodes",
        ),
        (
            1 <= spec.max_tokens <= core_limits.MAX_TOKENS,
            f"an output has 1 to {core_limits.MAX_TOKENS} tokens",
        ),
        (
            not spec.durable or spec.privacy != "local",
            "a task that may not leave this node can't be durable",
        ),
        (len(spec.skill) <= core_limits.MAX_SKILL_CHARS, "the skill is too long"),
        (
            spec.answer_type != "choice" or len(spec.choices) >= 2,
            "an answer by choice needs at least two choices",
        ),
        (
            len(spec.choices) <= 64 and all(1 <= len(choice) <= 300 for choice in spec.choices),
            "choices are at most 64, of 1 to 300 characters",
        ),
    )
    for holds, text in rules:
        if not holds:
            raise UsageError(text, hint="see `symphony submit --help`")
    if spec.answer_schema:
        check_constraint(JsonSchema(json.loads(spec.answer_schema)))
