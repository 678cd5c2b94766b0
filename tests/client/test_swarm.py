"""The SDK against the real gateway: blocking, on asyncio and on trio, by the same cases.

`swarm` drives all three through one face: `do(operation)` runs an operation that is written once,
for the asynchronous client, or its blocking twin by the same method names.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from gateway.fake_port import DID, DIGEST, HOSTED, RECEIPT, ending
from gateway.live import Live
from pydantic import BaseModel

import symphony
from symphony import AsyncSymphony, Symphony, errors
from symphony.client.faults import BY_CODE

WAIT_S = 10
TASK_1 = "0" * 31 + "1"


class Total(BaseModel):
    total: int


def blocking(live: Live, name: str, *args: Any, **options: Any) -> Any:
    """Call a method like `tasks.run` on the blocking client."""
    with Symphony(live.url, api_key=live.key) as swarm:
        return method_of(swarm, name)(*args, **options)


async def awaiting(live: Live, name: str, *args: Any, **options: Any) -> Any:
    async with AsyncSymphony(live.url, api_key=live.key) as swarm:
        return await method_of(swarm, name)(*args, **options)


def method_of(swarm: Any, name: str) -> Any:
    for part in name.split("."):
        swarm = getattr(swarm, part)
    return swarm


def on_asyncio(live: Live, *args: Any, **options: Any) -> Any:
    return asyncio.run(awaiting(live, *args, **options))


def on_trio(live: Live, *args: Any, **options: Any) -> Any:
    return trio.run(partial(awaiting, live, *args, **options))


@pytest.fixture(params=[blocking, on_asyncio, on_trio])
def call(request: pytest.FixtureRequest, live: Live) -> Any:
    return partial(request.param, live)


def test_run(live: Live, call: Any):
    answer = call("tasks.run", "6 * 7?", chains=5, answer_type="number", skill="math")
    assert (answer.text, answer.parsed, answer.outcome) == ("42", None, "answered")
    assert answer.certificate == "exact"
    assert answer.receipt.digest == DIGEST.hex()
    assert (answer.tokens, answer.owner_failovers, answer.phases_ms["work"]) == (77, 1, 1400)
    assert (answer.ballots[0].model, answer.ballots[0].weight) == (HOSTED, 1_000_000)
    assert answer.task_id == TASK_1
    spec = live.port.specs[0]
    assert (spec.chains, spec.answer_type, spec.skill) == (5, "number", "math")


def test_output_type(live: Live, call: Any):
    live.port.ends = lambda task: ending(task, answer='{"total": 42}')
    answer = call("tasks.run", "6 * 7?", output_type=Total)
    assert answer.parsed == Total(total=42)
    assert json.loads(live.port.specs[0].answer_schema)["required"] == ["total"]
    live.port.ends = lambda task: ending(task, answer='{"total": "many"}')
    with pytest.raises(errors.ConstraintViolated):
        call("tasks.run", "6 * 7?", output_type=Total)
    with pytest.raises(errors.UsageError):
        call("tasks.run", "6 * 7?", output_type=Total, answer_type="number")


def test_json_answers_are_read(live: Live, call: Any):
    live.port.ends = lambda task: ending(task, answer="[1, 2]")
    assert call("tasks.run", "p", answer_type="json").parsed == [1, 2]


def test_the_views(call: Any):
    assert call("status")["node"] == DID
    assert call("peers")[0]["peer_id"] == "12D3KooWFake"
    assert [agent["agent"] for agent in call("agents")] == ["solver", "far"]
    assert call("tasks.list") == []
    assert call("receipts.get", DIGEST.hex()) == RECEIPT


VECTORS = Path(__file__).parents[1] / "vectors" / "v1" / "receipt.json"
FROZEN = {
    name: bytes.fromhex(json.loads(VECTORS.read_text())[name]) for name in ("receipt", "sealed")
}


@pytest.mark.parametrize(
    ("wait_s", "expected", "asked"),
    [(0, "receipt", 1), (0.1, "receipt", 1), (WAIT_S, "sealed", 3)],
)
def test_a_receipt_is_asked_for_until_it_is_sealed(
    live: Live, call: Any, wait_s: float, expected: str, asked: int
):
    given = [FROZEN["receipt"], FROZEN["receipt"], FROZEN["sealed"]]
    count = []

    async def receipt(_: bytes) -> bytes:
        count.append(1)
        return given[len(count) - 1]

    live.port.receipt = receipt  # type: ignore[method-assign]
    assert call("receipts.get", TASK_1, wait_s=wait_s) == FROZEN[expected]
    assert len(count) == asked


def test_what_is_no_receipt_is_not_waited_for(call: Any):
    with pytest.raises(errors.ReceiptInvalid):
        call("receipts.get", DIGEST.hex(), wait_s=WAIT_S)


CODES = sorted(kind.code for kind in BY_CODE.values() if issubclass(kind, errors.TaskError))


@pytest.mark.parametrize("code", CODES)
def test_a_failed_task_raises_the_class_of_its_code(live: Live, call: Any, code: str):
    live.port.ends = lambda task: ending(
        task, outcome="failed", error=code, message="it broke", answer="41"
    )
    with pytest.raises(BY_CODE[code], match="it broke; the best answer so far was '41'") as failed:
        call("tasks.run", "p")
    assert type(failed.value) is BY_CODE[code]
    assert TASK_1 in failed.value.hint


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_of_the_gateway_keeps_its_class(live: Live, code: str):
    live.port.refuses = BY_CODE[code]("it broke", hint="mend it")
    for name in ("tasks.submit", "tasks.run"):
        with (
            Symphony(live.url, api_key=live.key, max_retries=0) as swarm,
            pytest.raises(BY_CODE[code]) as failed,
        ):
            method_of(swarm, name)("p")
        assert type(failed.value) is BY_CODE[code]
        assert (failed.value.message, failed.value.hint) == ("it broke", "mend it")


def test_the_tree_is_complete():
    documented = {
        kind for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, errors.SymphonyError)
    }  # fmt: skip
    assert set(BY_CODE.values()) == documented


def test_submit_then_events_then_result(live: Live):
    with Symphony(live.url, api_key=live.key) as swarm:
        task = swarm.tasks.submit("p", answer_type="json", answer_schema={"type": "integer"})
        kinds = [event["type"] for event in task.events()]
        assert kinds == ["task", "beacon", "award", "token", "token", "ballot", "verdict"]
        assert "token" not in [event["type"] for event in task.events(tokens=False)]
        assert task.result().parsed == 42
        again = swarm.tasks.get(task.id)
        assert again.result().parsed == 42
        assert again.info()["state"] == "answered"
        assert task.cancel() is False
        assert repr(task) == f"Task({TASK_1!r})"
        receipt = task.result().receipt
        assert receipt is not None
        assert receipt.fetch() == RECEIPT


async def _follow_async(live: Live) -> None:
    async with AsyncSymphony(live.url, api_key=live.key) as swarm:
        live.port.holding = True
        task = await swarm.tasks.submit("p")
        async with aclosing(task.events()) as events:
            async for event in events:
                if event["type"] == "ballot":
                    break  # leaving early must not upset the loop, and must not cancel
        assert live.port.cancelled.empty()
        assert await task.cancel() is True
        with pytest.raises(errors.TaskCancelled):
            await task.result()
        again = await swarm.tasks.get(task.id)
        assert (await again.info())["state"] == "cancelled"
        live.port.holding = False
        answer = await (await swarm.tasks.submit("p")).result()
        assert answer.receipt is not None
        assert await answer.receipt.fetch() == RECEIPT


def test_events_and_cancel_on_trio(live: Live):
    trio.run(_follow_async, live)


def test_events_and_cancel_on_asyncio(live: Live):
    asyncio.run(_follow_async(live))


def test_cancelling_the_caller_cancels_the_task_on_trio(live: Live):
    live.port.holding = True

    async def main() -> None:
        async with AsyncSymphony(live.url, api_key=live.key) as swarm:
            with trio.move_on_after(WAIT_S) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(swarm.tasks.run, "p")
                    await trio.to_thread.run_sync(live.submitted.wait, WAIT_S)
                    scope.cancel()

    trio.run(main)
    assert live.port.cancelled.get(timeout=WAIT_S).hex() == TASK_1


def test_cancelling_the_caller_cancels_the_task_on_asyncio(live: Live):
    live.port.holding = True

    async def main() -> None:
        async with AsyncSymphony(live.url, api_key=live.key) as swarm:
            running = asyncio.create_task(swarm.tasks.run("p"))
            await asyncio.to_thread(live.submitted.wait, WAIT_S)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(main())
    assert live.port.cancelled.get(timeout=WAIT_S).hex() == TASK_1


def test_both_clients_have_the_same_methods():
    pairs = [
        (Symphony, AsyncSymphony),
        (symphony.client.sync.Tasks, symphony.client.aio.AsyncTasks),
        (symphony.client.sync.Task, symphony.client.aio.AsyncTask),
        (symphony.client.sync.Receipts, symphony.client.aio.AsyncReceipts),
    ]
    for one, other in pairs:
        methods = {name for name in vars(one) if not name.startswith("_")}
        twin = {name.replace("aclose", "close") for name in vars(other) if not name.startswith("_")}
        assert methods == twin
        for name in methods - {"close"}:
            mine, theirs = inspect.signature(vars(one)[name]), inspect.signature(vars(other)[name])
            assert list(mine.parameters.values()) == list(theirs.parameters.values())
