"""An engine of this machine, held to its contract: what `symphony engine test` finds out.

Three words for each promise: kept, broken, not looked at. A server of somebody else is not killed,
and most don't tell what they are working on. A server that answers no chat is not worth eleven
checks: that is found out first, and said.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final

import trio

from symphony.engines import limits
from symphony.engines.base import Description, Engine
from symphony.engines.measuring import measure
from symphony.engines.openai import OpenAIEngine
from symphony.engines.registry import EngineSpec, Kind, open_engine
from symphony.engines.supervised import SupervisedEngine
from symphony.engines.vllm_server import VllmEngine
from symphony.errors import EngineError, EngineUnavailable, SymphonyError
from symphony.testing.engine_contract import CHECKS, Check, Subject, whole

ANSWER_MS: Final = 120_000  # for the very first answer: a large model may have to be loaded
ALL_S: Final = 600.0  # for everything, from a server of somebody else; it takes about a minute
OURS_S: Final = 3600.0  # from one of ours, which is killed and started again on the way
_QUEUED_MOST: Final = 256  # requests at once, whatever an engine says that it holds
_OTHER: Final = "no-such-model"


async def examined(spec: EngineSpec) -> dict[str, Any]:
    """Every check of the contract on one engine, and its speed. A broken promise is told by the
    name of its check, and the others are still looked at. Raises `SymphonyError` for an engine
    that can't be opened.
    """
    async with open_engine(spec) as opened:
        subject = _subject(opened, spec, None)
        report = _report(spec)
        try:
            described = await opened.describe()
            await whole(opened, replace(subject.ask(max_tokens=4), deadline_ms=ANSWER_MS))
        except EngineError as error:
            silent = dict.fromkeys(report["contract"], "it gave no first answer")
            return report | {"error": str(error), "not_looked_at": silent}
        report |= {name: getattr(described, name) for name in ("engine", "model", "lineage")}
        subject = _subject(opened, spec, described)
        ends = trio.current_time() + (OURS_S if isinstance(opened, SupervisedEngine) else ALL_S)
        contract: dict[str, str | None] = report["contract"]
        unseen: dict[str, str] = report["not_looked_at"]
        for check in CHECKS:
            name = check.__name__
            if trio.current_time() >= ends:
                continue
            contract[name], why = await _kept(check, subject, ends)
            unseen.pop(name)
            if why is not None:
                unseen[name] = why
        with trio.move_on_at(ends):
            try:
                report["measured"] = asdict(await measure(opened))
            except EngineError as error:
                report["error"] = str(error)
    report["ok"] = not any(contract.values()) and bool(report["measured"])
    return report


def _report(spec: EngineSpec) -> dict[str, Any]:
    """What is said of an engine of which nothing is known yet."""
    return {
        "ok": False,
        "error": "",
        "engine": spec.kind,
        "model": spec.model or "",
        "lineage": "",
        "measured": {},
        "contract": {check.__name__: None for check in CHECKS},
        "not_looked_at": {check.__name__: "there was no time for it" for check in CHECKS},
    }


async def _kept(check: Check, subject: Subject, ends: float) -> tuple[str | None, str | None]:
    """What is wrong with a promise ("" if nothing is), and what of it was not seen."""
    why: str | None = None
    with trio.move_on_at(ends) as scope:
        try:
            why = await check(subject)
        except (SymphonyError, AssertionError, trio.TooSlowError, ExceptionGroup) as error:
            return f"no: {_words(error)}", None
    if scope.cancelled_caught:
        return "no: it did not come to an end", None
    return ("", None) if why is None else (None, why)


def _words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = "it took too long" if isinstance(error, trio.TooSlowError) else str(error)
    return f"{type(error).__name__}: {said}"


def _subject(opened: Engine, spec: EngineSpec, described: Description | None) -> Subject:
    """The engine with what can be seen of its server: a server of ours may also be killed."""
    room = (described.concurrency if described else 1) * (1 + limits.WAITING_PER_SLOT)
    seen = Subject(opened, queue=min(room, _QUEUED_MOST), wrong_model=_other(opened, spec))
    if not isinstance(opened, SupervisedEngine):
        return seen
    ours: SupervisedEngine = opened

    async def busy() -> int:
        return (await ours.load()).running or 0

    async def kill() -> None:
        if ours.pid is None:
            raise EngineUnavailable("there is no server to kill")
        os.kill(ours.pid, signal.SIGKILL)

    return replace(seen, busy=busy, kill=kill, revives=True, patience_ms=600_000)


def _other(opened: Engine, spec: EngineSpec) -> Callable[[], AbstractAsyncContextManager[Engine]]:
    """The way to a model that nobody serves. A vLLM of ours would fetch what it does not know, so
    it is asked for that model where it runs.
    """

    @asynccontextmanager
    async def beside(ours: SupervisedEngine) -> AsyncIterator[Engine]:
        url, key = ours.address()
        engine = OpenAIEngine(url, model=_OTHER, api_key=key)
        try:
            yield engine
        finally:
            await engine.aclose()

    if isinstance(opened, VllmEngine):
        return partial(beside, opened)
    kind: Kind = "llamacpp" if isinstance(opened, SupervisedEngine) else spec.kind
    return partial(open_engine, replace(spec, kind=kind, model=_OTHER))
