"""How busy an engine is, and what memory a machine has left: what an operator looks at first.

Engines measure it, the gateway shows it, and neither knows the other; so the types lie below both.
What a server or a driver does not say is None or left out, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """`running` and `queued` are the server's own counts of generations; `waiting` those that
    wait for a slot in this node. `cache_ppm` is how full the server's key-value cache is.
    `memory_bytes` is what its processes hold, where they are ours.
    """

    waiting: int
    running: int | None = None
    queued: int | None = None
    cache_ppm: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU and its memory."""

    name: str
    used_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the machine has, and what is free of it."""

    free_bytes: int
    total_bytes: int
    gpus: tuple[Gpu, ...] = ()
