"""What a node costs the engine behind it, and what engines cost one another on one machine.

`through_ratio` is tokens per second through a node's gateway over tokens per second of the same
server asked directly, by the same plain client, with the same requests, in turns: first one way,
then the other, in pairs that change their order. A machine changes its speed from one minute to the
next, so the two of a pair are compared, and the median of those ratios is the answer. For the echo
and for `paced`, which send at a fixed pace, it shows what the node adds, and three pairs do. For a
real model it also shows what the node takes away from the cores that the model needs; the same
burst asked twice differs by a tenth there, so there are more pairs, of shorter calls.

A virtual machine whose neighbours are busy gets its cores late, and a model whose threads wait for
one another pays for that several times over: with four tenths of the cores stolen, pairs were seen
to scatter from 0.7 to 1.5. So each pair says how much was stolen, pairs are taken until enough of
them were calm or the time is over, and the calmest ones count. Which those are is decided by the
hypervisor's clock, never by their ratios. What the node's process spends per token is counted
beside it.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import trio

from symphony.engines import EngineSpec, open_engine
from symphony.engines.supervised import SupervisedEngine
from symphony.testing.local_swarm import NodePlan, local_swarm
from symphony.testing.overhead import echo_server, server_process
from symphony.testing.stolen import StolenTime

MODEL: Final = "smollm2-135m"
ECHO_MS: Final = 2000
TOKEN_MS: Final = 25
ECHO_WORDS: Final = " ".join(["word"] * 32)
STORY: Final = "Tell a long story about a fox and a crow."
TOKENS: Final = 96
SHORT_TOKENS: Final = 32
"""What a computed answer has where several are asked for at once."""
PAIRS: Final = 3
PAIRS_S: Final = 40.0
COMPUTED_PAIRS: Final = 9
COMPUTED_PAIRS_S: Final = 240.0
"""As many calm pairs are wanted; with `PAIRS` of any kind, none begins later than this."""
CALM: Final = 0.05
"""Of the time of all cores, what may have been stolen from each half of a calm pair."""
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
        "SYMPHONY_ENGINE_URL": direct.url,
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


@dataclass(frozen=True, slots=True)
class Pair:
    """The same work both ways, in tokens per second; what the node's process spent on its half, in
    milliseconds per token; and the share of the cores' time that was stolen, of the worse half.
    """

    direct: float
    through: float
    cost_ms: float
    stolen: float

    @property
    def ratio(self) -> float:
        return self.through / self.direct

    @property
    def calm(self) -> bool:
        return self.stolen <= CALM


async def _in_turns(direct: Door, through: Door, concurrency: int, pid: int) -> dict[str, Any]:
    """Pairs of bursts; `pid` is the node's process."""
    if direct.computed and concurrency > 1:
        direct, through = (replace(door, tokens=SHORT_TOKENS) for door in (direct, through))
    pairs: list[Pair] = []
    wanted, seconds = (COMPUTED_PAIRS, COMPUTED_PAIRS_S) if direct.computed else (PAIRS, PAIRS_S)
    until = time.monotonic() + seconds
    while wants_more(pairs, wanted, late=time.monotonic() > until):
        mine_first = len(pairs) % 2 == 1
        pairs.append(await _pair(direct, through, concurrency, pid, mine_first=mine_first))
    counted = calmest(pairs, wanted)
    return {
        "direct_tokens_per_s": round(statistics.median(pair.direct for pair in counted), 1),
        "node_tokens_per_s": round(statistics.median(pair.through for pair in counted), 1),
        "through_ratio": round(statistics.median(pair.ratio for pair in counted), 3),
        "ratios": [round(pair.ratio, 3) for pair in counted],
        "stolen": [round(pair.stolen, 3) for pair in counted],
        "pairs": len(pairs),
        "node_cpu_ms_per_token": round(statistics.median(pair.cost_ms for pair in counted), 3),
    }


def wants_more(pairs: Sequence[Pair], wanted: int, *, late: bool) -> bool:
    """Whether another pair is worth its time."""
    return len(pairs) < PAIRS or (not late and sum(pair.calm for pair in pairs) < wanted)


def calmest(pairs: Sequence[Pair], wanted: int) -> list[Pair]:
    """Those that count, in the order of their measurement: whom the least was stolen from."""
    least = sorted(range(len(pairs)), key=lambda at: pairs[at].stolen)[:wanted]
    return [pairs[at] for at in sorted(least)]


async def _pair(
    direct: Door, through: Door, concurrency: int, pid: int, *, mine_first: bool
) -> Pair:
    rates: dict[Door, float] = {}
    cost_ms = stolen = 0.0
    for door in (through, direct) if mine_first else (direct, through):
        watch, before_ms = StolenTime(), cpu_ms(pid)
        rates[door], tokens = await _burst(door, concurrency)
        stolen = max(stolen, watch.share())
        if door is through:
            cost_ms = (cpu_ms(pid) - before_ms) / tokens
    return Pair(rates[direct], rates[through], cost_ms, stolen)


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
