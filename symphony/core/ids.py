"""The names of things, as types, and how each is derived.

A node is its Ed25519 public key. A task's id is drawn by its conductor; everything inside a
task is *derived* from it, so that two nodes that speak of the same step use the same bytes
without asking each other, and a bid for one unit can't be replayed for another.
"""

from __future__ import annotations

import hashlib
from typing import NewType

NodeId = NewType("NodeId", bytes)
"""32 bytes: an Ed25519 public key, which is also the author of a ledger log."""

SwarmId = NewType("SwarmId", bytes)
"""32 bytes: the SHA-256 of the swarm's genesis."""

EntryId = NewType("EntryId", bytes)
"""32 bytes: the SHA-256 that names a ledger entry (see `ledger.entry`)."""

TaskId = NewType("TaskId", bytes)
"""16 bytes, drawn by the conductor."""

UnitId = NewType("UnitId", bytes)
"""16 bytes, derived from the task and the unit's name (`plan/0`, `step/1/s2`)."""

Epoch = NewType("Epoch", int)
"""The fencing number of an award: 1 for the first owner, one more for each failover."""

TASK_ID_BYTES = 16
UNIT_ID_BYTES = 16
NODE_ID_BYTES = 32


def unit_id(task: TaskId, name: str) -> UnitId:
    """The id of the unit called `name` inside `task`."""
    digest = hashlib.sha256(b"symphony/unit/1\x00" + task + name.encode())
    return UnitId(digest.digest()[:UNIT_ID_BYTES])


def tie_break(unit: UnitId, node: NodeId, agent: str) -> bytes:
    """The order of equals: lowest first. Unit ids aren't known beforehand, so a node can't
    grind a key that wins them.
    """
    return hashlib.sha256(b"symphony/tie/1\x00" + unit + node + agent.encode()).digest()


def salted_digest(context: str, salt: bytes, data: bytes) -> bytes:
    """SHA-256 commitment to `data`: what the ledger holds in place of prompts and outputs."""
    head = b"symphony/" + context.encode() + b"/1\x00"
    return hashlib.sha256(head + len(salt).to_bytes(1, "big") + salt + data).digest()


def schema_digest(salt: bytes, answer_schema: str) -> bytes | None:
    """What a task entry holds of the JSON Schema of its answer; None where it has none."""
    return salted_digest("schema", salt, answer_schema.encode()) if answer_schema else None


def derived_salt(secret: bytes, unit: UnitId, epoch: Epoch) -> bytes:
    """The salt of one award: as good as drawn for whoever lacks the secret, and known again."""
    head = b"symphony/salt/1\x00" + secret
    return hashlib.sha256(head + unit + epoch.to_bytes(4, "big")).digest()[:16]


def short(data: bytes) -> str:
    """Eight hexadecimal digits: enough for a person to tell two ids apart on a screen."""
    return data.hex()[:8]
