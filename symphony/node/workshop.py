"""Where the work is done: runs hosted agents on their engines, for `StartWork` effects.

Each unit runs as a task of its own inside a cancel scope; leaving the scope aborts the
generation in the model server. Whatever goes wrong becomes a `WorkFailed` with a reason, so the
conductor always learns that it has to look elsewhere. That reason goes into the ledger, so it is a
code and a fixed sentence (`symphony.node.failures`); the detail is in this node's log only.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
import trio

from symphony.core.effects import StartWork
from symphony.core.ids import Epoch, UnitId
from symphony.core.inputs import Input, WorkDone, WorkFailed, WorkMoved
from symphony.core.limits import PROGRESS_EVERY_MS
from symphony.core.messages import Order
from symphony.core.owner import prompts
from symphony.core.tasks.plan_forms import plan_grammar, plan_schema
from symphony.core.votes.comparison import swapped, told
from symphony.engines.base import (
    Choice,
    Chunk,
    Constraint,
    Description,
    Engine,
    Event,
    Feature,
    Finished,
    Grammar,
    JsonSchema,
    Message,
    NoConstraint,
    Request,
)
from symphony.engines.constraints import check_constraint, check_output
from symphony.errors import ConstraintViolated, EngineError, SymphonyError, UsageError
from symphony.manifests import AgentManifest
from symphony.node.failures import told_reason
from symphony.tools import generate_with_tools

_log = structlog.get_logger("symphony.work")

Feed = Callable[[Input], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HostedAgent:
    """A manifest with the engine that runs it."""

    manifest: AgentManifest
    engine: Engine
    description: Description


class Workshop:
    """All engines of this node, and what they are doing."""

    def __init__(self, nursery: trio.Nursery, feed: Feed, now_ms: Callable[[], int]) -> None:
        self._nursery = nursery
        self._feed = feed
        self._now_ms = now_ms
        self._agents: dict[str, HostedAgent] = {}
        self._running: dict[tuple[UnitId, Epoch], trio.CancelScope] = {}
        self._begun = 0

    def host(self, agents: Mapping[str, HostedAgent]) -> None:
        self._agents = dict(agents)

    @property
    def agents(self) -> Mapping[str, HostedAgent]:
        return self._agents

    async def idle(self, for_s: float) -> None:
        """Return when nothing was begun and nothing ran here for so long."""
        while True:
            seen = self._begun
            await trio.sleep(for_s)
            if seen == self._begun and not self._running:
                return

    def start(self, work: StartWork) -> None:
        """Begin a unit; never waits."""
        self._begun += 1
        scope = trio.CancelScope()
        self._running[work.unit, work.epoch] = scope
        self._nursery.start_soon(self._work, work, scope)

    def cancel(self, unit: UnitId, epoch: Epoch) -> None:
        """Abort a unit if it still runs; nothing is reported for it any more."""
        scope = self._running.get((unit, epoch))
        if scope is not None:
            scope.cancel()

    async def _work(self, work: StartWork, scope: trio.CancelScope) -> None:
        started_ms = self._now_ms()
        failed = ""
        with scope:
            try:
                await self._generate(work, started_ms)
            except SymphonyError as error:
                _log.warning("work_failed", agent=work.agent, code=error.code, reason=error.message)
                failed = told_reason(error)
            except Exception as error:  # noqa: BLE001 - one agent's bug must not end the node
                _log.exception("agent_broke", agent=work.agent)
                failed = told_reason(error)
            if failed:
                elapsed_ms = self._now_ms() - started_ms
                await self._report(work, WorkFailed(work.unit, work.epoch, failed, elapsed_ms))
        self._running.pop((work.unit, work.epoch), None)

    async def _report(self, work: StartWork, outcome: Input) -> None:
        """How a unit ended, once: whoever is no longer running has reported."""
        if self._running.pop((work.unit, work.epoch), None) is not None:
            await self._feed(outcome)

    async def _generate(self, work: StartWork, started_ms: int) -> None:
        """Run a unit and report its output: before the stream is closed, which takes a moment
        that nobody should have to wait for.
        """
        agent = self._agents.get(work.agent)
        if agent is None:
            raise EngineError(f"no agent {work.agent} here")
        asked = (work.order,) if work.order.role != "judge" else (work.order, swapped(work.order))
        said: list[tuple[str, Finished]] = []
        for order in asked:
            request = request_for(agent, order, work.deadline_ms - self._now_ms(), own=work.own)
            wanted = wanted_of(order)
            check_constraint(wanted)
            async with generate_with_tools(agent.engine, request, agent.manifest.tools) as stream:
                output, end = await self._heard(work, stream)
                check_output(wanted, output)
                said.append((output, end))
                if len(said) == len(asked):
                    await self._report(work, _done(work, said, self._now_ms() - started_ms))

    async def _heard(self, work: StartWork, stream: AsyncIterator[Event]) -> tuple[str, Finished]:
        """All of one stream, telling of its progress now and then."""
        parts: list[str] = []
        unsaid = 0  # parts that were not reported yet: a report per token would cost more than it
        said_ms = self._now_ms()  # shows, to this node and to the conductor
        async for event in stream:
            match event:
                case Chunk(text=text):
                    parts.append(text)
                    unsaid += 1
                    if self._now_ms() - said_ms >= PROGRESS_EVERY_MS:
                        fresh = "".join(parts[-unsaid:])
                        unsaid, said_ms = 0, self._now_ms()
                        await self._feed(WorkMoved(work.unit, work.epoch, fresh))
                case Finished():
                    return "".join(parts), event
        raise EngineError("the engine's stream ended without saying that it is complete")


def _done(work: StartWork, said: Sequence[tuple[str, Finished]], elapsed_ms: int) -> WorkDone:
    """How a unit ended. A judge's two outputs become its two words."""
    output, end = said[-1]
    if work.order.role == "judge":
        words = told([text for text, _ in said])
        if words is None:
            raise ConstraintViolated("the model did not say which answer is better")
        output = words
    logprob = end.mean_logprob
    milli = None
    if logprob is not None and math.isfinite(logprob):
        milli = max(-1_000_000, min(0, round(logprob * 1000)))
    return WorkDone(
        unit=work.unit,
        epoch=work.epoch,
        output=output,
        model=end.model,
        engine=end.engine,
        prompt_tokens=sum(ended.prompt_tokens for _, ended in said),
        completion_tokens=sum(ended.completion_tokens for _, ended in said),
        elapsed_ms=elapsed_ms,
        logprob_milli=milli,
        cut=end.reason == "length",
    )


def request_for(agent: HostedAgent, order: Order, left_ms: int, *, own: bool = False) -> Request:
    """The engine request for an order. Raises `UsageError` for one that can't be made."""
    sampling = agent.manifest.sampling
    return Request(
        messages=(
            Message("system", agent.manifest.instructions),
            Message("user", prompts.user_message(order)),
        ),
        max_tokens=min(order.max_tokens, sampling.max_tokens),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        stop=sampling.stop,
        seed=order.seed,
        constraint=_constraint(order, agent.description),
        deadline_ms=max(1, left_ms),
        own=own,
    )


def _constraint(order: Order, description: Description) -> Constraint:
    """Plans, words of judges and JSON are forced where the engine can, and checked in any case."""
    if order.role == "judge" and Feature.CHOICE in description.features:
        return Choice(order.choices)
    if order.role == "plan" and Feature.GRAMMAR in description.features:
        return Grammar(plan_grammar(order.skills))
    if Feature.JSON_SCHEMA not in description.features:
        return NoConstraint()
    if order.role == "plan":
        return JsonSchema(plan_schema(order.skills))
    return wanted_of(order) if order.answer_schema else NoConstraint()


def wanted_of(order: Order) -> Constraint:
    """What the answer to an order has to be, whatever its engine can be forced to: half a JSON
    is a failure of its owner, not a chain without a vote. Raises `UsageError`. Plans are not
    looked at here, because a bad one is mended with the planner (`symphony.core.tasks.chains`).
    """
    if order.role == "plan" or order.answer_type != "json":
        return NoConstraint()
    try:
        schema = json.loads(order.answer_schema or "{}")
    except (ValueError, RecursionError) as error:
        raise UsageError("the schema of the answer is not JSON") from error
    return JsonSchema(schema)
