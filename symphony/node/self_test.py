"""What this node's own model servers really do, measured once and said in its capability records.

A server of ours is measured when nobody has asked the node for anything for a while, and again
after a week or when what serves has changed; the result is kept in the home, so a start with the
same servers measures nothing and writes no entry. A server of somebody else is never measured
unasked: its tokens may cost money. What is written is the node's own word, signed. Nothing is
elected by it: how good and how fast an agent is, others learn from its work.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import structlog

from symphony.core.inputs import AgentsChanged, Input
from symphony.core.owner.fitting import as_count
from symphony.core.records import Capability, SelfTest
from symphony.engines.adapters import AdaptedEngine
from symphony.engines.base import Description
from symphony.engines.measuring import Measured, measure
from symphony.engines.supervised import SupervisedEngine
from symphony.errors import EngineError
from symphony.node import limits
from symphony.node.keepsake import read_keepsake, write_keepsake
from symphony.node.workshop import HostedAgent, Workshop

_log = structlog.get_logger("symphony.self_test")
FILE = "self_tests.json"
_DAY_S = 24 * 3600


class SelfTests:
    """The results that a home keeps, by what was measured."""

    def __init__(self, home: Path, today: Callable[[], int] | None = None) -> None:
        self._file = home / FILE
        self._today = today or (lambda: int(time.time()) // _DAY_S)
        self._known = _read(self._file)

    def find(self, described: Description) -> SelfTest | None:
        """The result for an engine, unless it is too old."""
        found = self._known.get(_name(described))
        fresh = found is not None and found.day > self._today() - limits.SELF_TEST_DAYS
        return found if fresh else None

    def keep(self, described: Description, measured: Measured) -> None:
        self._known[_name(described)] = SelfTest(
            day=self._today(),
            first_token_ms=as_count(measured.first_token_ms),
            one_milli_tokens_per_s=as_count(round(measured.one_tokens_per_s * 1000)),
            many_milli_tokens_per_s=as_count(round(measured.many_tokens_per_s * 1000)),
            many=measured.many,
            features=measured.features,
        )
        while len(self._known) > limits.SELF_TESTS_KEPT:
            del self._known[next(iter(self._known))]
        text = json.dumps({name: asdict(test) for name, test in self._known.items()})
        write_keepsake(self._file, text.encode(), limits.SELF_TESTS_BYTES)

    def added(
        self, capabilities: Iterable[Capability], agents: Mapping[str, HostedAgent]
    ) -> tuple[Capability, ...]:
        """The records with the results that are known."""
        return tuple(
            replace(record, self_test=self.find(agents[record.agent].description))
            for record in capabilities
        )


async def measure_when_idle(
    tests: SelfTests,
    capabilities: Callable[[], Iterable[Capability]],
    workshop: Workshop,
    feed: Callable[[Input], Awaitable[None]],
    after_s: float,
) -> None:
    """Measure what has no result yet, once nobody has used an engine for `after_s`; 0 is never.
    `capabilities` gives the records of the agents that are here when it is done.
    """
    ours = {
        id(agent.engine): agent
        for agent in workshop.agents.values()
        if isinstance(agent.engine, SupervisedEngine | AdaptedEngine)
        and tests.find(agent.description) is None
    }
    if not ours or after_s <= 0:
        return
    for agent in ours.values():
        await workshop.idle(after_s)
        try:
            measured = await measure(agent.engine)
        except EngineError as error:
            _log.warning("self_test_failed", model=agent.description.model, reason=error.message)
            continue
        tests.keep(agent.description, measured)
        _log.info("self_test", **asdict(measured), model=agent.description.model)
    await feed(AgentsChanged(tests.added(capabilities(), workshop.agents)))


def _name(described: Description) -> str:
    """What a result stands for: another context or number of slots is another speed."""
    room = f"{described.context_tokens}x{described.concurrency}"
    return f"{described.engine}/{described.model}/{room}/{os.cpu_count()}"


def _read(file: Path) -> dict[str, SelfTest]:
    """What was kept; nothing where it can't be read, since it can be measured again."""
    try:
        rows = json.loads(read_keepsake(file, limits.SELF_TESTS_BYTES))
        return {
            str(name): SelfTest(**{**row, "features": tuple(row["features"])})
            for name, row in rows.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
