"""Boxes for simulations: the real ones, and cheap ones that open for whoever they are for.

The cheap ones are no cryptography: what lies in them can be read by anybody who looks. The core
never looks. Runs with real keys have real boxes, too, so that nothing comes to depend on these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Protocol

from symphony.core.effects import SendSealed, Unseal
from symphony.core.inputs import Unsealed
from symphony.core.messages import about_box
from symphony.node.boxes import BoxKey, seal_box
from symphony.node.unsealing import open_boxes

if TYPE_CHECKING:
    from symphony.testing.machine import Machine


class Boxes(Protocol):
    """Seals and opens, for any node of a world; a node is known by the seed of its box key."""

    def public(self, seed: bytes) -> bytes: ...

    def seal(self, public: bytes, data: bytes, about: bytes) -> bytes: ...

    def open_all(self, seed: bytes, task: bytes, boxes: Sequence[bytes]) -> tuple[bytes, ...]: ...


class PlainBoxes:
    """A box is a label and what is in it."""

    def public(self, seed: bytes) -> bytes:
        return hashlib.sha256(b"public" + seed).digest()

    def seal(self, public: bytes, data: bytes, about: bytes) -> bytes:
        return hashlib.sha256(public + about).digest() + data

    def open_all(self, seed: bytes, task: bytes, boxes: Sequence[bytes]) -> tuple[bytes, ...]:
        public, found = self.public(seed), []
        for number, box in enumerate(boxes, start=1):
            if box[:32] != hashlib.sha256(public + about_box(task, number)).digest():
                break
            found.append(box[32:])
        return tuple(found)


class RealBoxes:
    """As they ship."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def public(self, seed: bytes) -> bytes:
        return BoxKey(seed).public

    def seal(self, public: bytes, data: bytes, about: bytes) -> bytes:
        return seal_box(public, data, about, self._random.randbytes) or b""

    def open_all(self, seed: bytes, task: bytes, boxes: Sequence[bytes]) -> tuple[bytes, ...]:
        return open_boxes(BoxKey(seed), task, boxes)


def handle_boxes(machine: Machine, effect: SendSealed | Unseal) -> None:
    """Seal something for another node, or open what others sealed for this one."""
    world = machine.world
    match effect:
        case SendSealed(peer, key, message, data):
            sealed = replace(message, box=world.boxes.seal(key, data, message.about))
            world.send(machine, world.index_of[peer], sealed)
        case Unseal(task, boxes):
            notes = world.boxes.open_all(machine.box, task, boxes)
            machine.later(world.now_ms, Unsealed(task, notes))
