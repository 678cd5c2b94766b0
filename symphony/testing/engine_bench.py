"""What a node costs the engine behind it, and what engines cost one another on one machine.

`through_ratio` is tokens per second through a node's gateway over tokens per second of the same
server asked directly, by the same plain client, with the same requests, in turns: first one way,
then the other, in pairs that change their order. A machine changes its speed from one minute to the
next, so the two of a pair are compared, and the median of those ratios is the answer. For the echo
and for `paced`, which send at a fixed pace, it shows what the node adds, and three pairs do. For a
real model it also shows what the node takes away from the cores that the model needs; the same
burst asked twice differs by a tenth there, so there are more pairs, of shorter calls. What the
node's process spends per token is counted beside it, because that does not depend on who else is
at work.

`co_located` runs five embedded engines at once, each with the threads that a node would give it,
and compares the slowest with a fifth of what one engine alone does with all cores.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import trio

from symphony.engines import EngineSpec, models, open_engine
from symphony.engines.llamacpp import LlamaCppEngine, LlamaCppOptions, threads_for
from symphony.engines.measuring import measure
from symphony.engines.supervised import SupervisedEngine
from symphony.testing.local_swarm import NodePlan, local_swarm
from symphony.testing.overhead import echo_server, server_process

MODEL: Final = "smollm2-135m"
ECHO_MS: Final = 2000
TOKEN_MS: Final = 25
ECHO_WORDS: Final = " ".join(["word"] * 32)
STORY: Final = "Tell a long story about a fox and a crow."
TOKENS: Final = 96
SHORT_TOKENS: Final = 32
"""What a computed answer has where several are asked for at once."""
PAIRS: Final = 3
COMPUTED_PAIRS: Final = 9
"""The least for an engine that computes; more as long as `PAIRS_S` have not gone by."""
PAIRS_S: Final = 80.0
NODES: Final = 5
CLIENT_S: Final = 600.0
BARE_END: Final = b"0\r\n\r\n"
"""The last bytes of a chunked body."""

MANIFEST: Final = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: solver}}
spec:
  skills: [{{name: echo, description: "answers"}}]
  engine: {{kind: {kind}, model: {model}, url: "{url}"}}
  instructions: prompt.md
  sampling: {{max_tokens: 1024}}
  limits: {{concurrency: 32}}
"""


@dataclass(frozen=True, slots=True)
class Door:
    """Where to ask: a server or a node. `prompt` and `tokens` are the work of one call; `computed`
    says that a model is behind it, whose speed depends on the machine.
    """

    url: str
    key: str
    model: str
    prompt: str
    tokens: int
    computed: bool = False


def measure_through(engine: str, concurrencies: tuple[int, ...], root: Path) -> dict[str, Any]:
    """Tokens per second, directly and through a node, for one engine."""
    if engine == "echo":
        with echo_server(ECHO_MS) as url:
            direct = Door(url, "", "echo", f"ANSWER: {ECHO_WORDS}", 64)
            return trio.run(_compare, "openai", direct, concurrencies, root)
    if engine == "paced":
        options = ("--token-ms", str(TOKEN_MS))
        with server_process("symphony.testing.paced_server", *options) as url:
            direct = Door(url, "", "paced", STORY, TOKENS)
            return trio.run(_compare, "openai", direct, concurrencies, root)

    async def with_server() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            spec = EngineSpec(kind=engine, model=MODEL)  # type: ignore[arg-type]
            owner = await stack.enter_async_context(open_engine(spec))
            assert isinstance(owner, SupervisedEngine)
            url, key = owner.address()
            direct = Door(url, key, MODEL, STORY, TOKENS, computed=True)
            kind = "vllm" if engine == "vllm" else "openai"
            return await _compare(kind, direct, concurrencies, root)

    return trio.run(with_server)


async def _compare(
    kind: str, direct: Door, concurrencies: tuple[int, ...], root: Path
) -> dict[str, Any]:
    folder = root / "agent"
    folder.mkdir(parents=True)
    manifest = MANIFEST.format(kind=kind, model=direct.model, url=direct.url)
    (folder / "agent.yaml").write_text(manifest)
    (folder / "prompt.md").write_text("Answer.\n")
    environment = {
        "SYMPHONY_AGENTS": str(folder),
        "SYMPHONY_LOG_LEVEL": "warning",
        "SYMPHONY_ENGINE_API_KEY": direct.key,
    }
    found: dict[str, Any] = {}
    async with _node(root, NodePlan("n1", environment)) as node:
        through = replace(direct, url=node.url, key=node.api_key)
        for door in (direct, through):
            await _burst(door, 1)  # opens connections, fills caches
        for concurrency in concurrencies:
            found[str(concurrency)] = await _in_turns(
                direct, through, concurrency, node.process.pid
            )
    return found


async def _in_turns(direct: Door, through: Door, concurrency: int, pid: int) -> dict[str, Any]:
    """Pairs of bursts, and what the node with this `pid` spent on its half of them."""
    if direct.computed and concurrency > 1:
        direct, through = (replace(door, tokens=SHORT_TOKENS) for door in (direct, through))
    rates: dict[Door, list[float]] = {direct: [], through: []}
    costs_ms: list[float] = []
    least, seconds = (COMPUTED_PAIRS, PAIRS_S) if direct.computed else (PAIRS, 0.0)
    until = time.monotonic() + seconds
    while len(costs_ms) < least or time.monotonic() < until:
        order = (direct, through) if len(costs_ms) % 2 == 0 else (through, direct)
        for door in order:
            before_ms = cpu_ms(pid)
            rate, tokens = await _burst(door, concurrency)
            rates[door].append(rate)
            if door is through:
                costs_ms.append((cpu_ms(pid) - before_ms) / tokens)
    ratios = [mine / bare for bare, mine in zip(*rates.values(), strict=True)]
    one, other = (statistics.median(rates[door]) for door in (direct, through))
    return {
        "direct_tokens_per_s": round(one, 1),
        "node_tokens_per_s": round(other, 1),
        "through_ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "node_cpu_ms_per_token": round(statistics.median(costs_ms), 3),
    }


@asynccontextmanager
async def _node(root: Path, plan: NodePlan) -> AsyncIterator[Any]:
    swarm = local_swarm(root / "homes", [plan])
    (node,) = await trio.to_thread.run_sync(swarm.__enter__)
    try:
        yield node
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(partial(swarm.__exit__, None, None, None))


def cpu_ms(pid: int) -> float:
    """What a process has used of the cores until now."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system) * 1000


async def _burst(door: Door, concurrency: int) -> tuple[float, int]:
    """Tokens per second of that many calls at once, and how many they were."""
    tokens: list[int] = []

    async def one() -> None:
        tokens.append(await _call(door))

    began = time.perf_counter()
    with trio.fail_after(CLIENT_S):
        async with trio.open_nursery() as nursery:
            for _ in range(concurrency):
                nursery.start_soon(one)
    return sum(tokens) / (time.perf_counter() - began), sum(tokens)


async def _call(door: Door) -> int:
    """One streamed completion over a bare socket; the tokens that the server counted."""
    parts = urlsplit(door.url)
    body = json.dumps(
        {
            "model": door.model,
            "messages": [{"role": "user", "content": door.prompt}],
            "max_tokens": door.tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nconnection: close\r\n"
        f"authorization: Bearer {door.key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    async with stream:
        await stream.send_all(head.encode() + body)
        tail = b""
        while block := await stream.receive_some(65_536):
            tail = (tail + block)[-4096:]
            if tail.endswith(BARE_END):  # not everybody closes when asked to
                break
    found = tail.rpartition(b'"completion_tokens":')[2].strip()
    digits = found[: len(found) - len(found.lstrip(b"0123456789"))]
    if not digits:
        raise RuntimeError(f"{door.url} did not count its tokens: {tail[-300:]!r}")
    return int(digits)


def measure_co_located() -> dict[str, Any]:
    """Five embedded engines at once beside one alone."""
    alone = trio.run(_rates, 1)[0]
    together = trio.run(_rates, NODES)
    fair = alone / NODES
    return {
        "alone_tokens_per_s": round(alone, 1),
        "each_tokens_per_s": [round(rate, 1) for rate in together],
        "share_ratio": round(min(together) / fair, 3),
    }


async def _rates(nodes: int) -> list[float]:
    weights = models.path(MODEL)
    threads = threads_for(nodes)
    options = LlamaCppOptions(weights, MODEL, "smollm2", slots=2, threads=threads)
    engines = [LlamaCppEngine(options) for _ in range(nodes)]
    rates: list[float] = []

    async def one(engine: LlamaCppEngine) -> None:
        rates.append((await measure(engine)).one_tokens_per_s)

    try:
        async with trio.open_nursery() as nursery:
            for engine in engines:
                nursery.start_soon(engine.start)
        async with trio.open_nursery() as nursery:
            for engine in engines:
                nursery.start_soon(one, engine)
    finally:
        for engine in engines:
            await engine.aclose()
    return rates
