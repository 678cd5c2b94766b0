"""Hostile edges around honest cores: what a node leaves unsaid, or says too much of.

An equivocator signs lies (`hostile`); these sign nothing false. A *silent owner* bids, takes work,
and never reports. A *withholder* takes everybody's entries in and hands none out. A *flooder* sends
what nobody can read. Each is one function from a message to what really leaves the node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ledger import dumps, loads
from symphony.core import limits, messages
from symphony.core.messages import Done, Entries, Heads, Message, Progress, Reconcile, Refused

if TYPE_CHECKING:
    from symphony.testing.machine import Machine
    from symphony.testing.sim import World

Mischief = Literal["", "silent", "withholder", "flooder"]
Pretence = Literal["", "lying bidder", "copier", "sybil"]
"""What its agents pretend to be (`impostors`)."""
JUNK_BYTES = 200


def _silent(message: Message) -> bool:
    return isinstance(message, Done | Progress | Refused)


def _withheld(message: Message) -> bool:
    return isinstance(message, Heads | Reconcile) or (
        isinstance(message, Entries) and message.asked
    )


_SWALLOWS: dict[Mischief, tuple[Callable[[Message], bool], str]] = {
    "silent": (_silent, "silent owner"),
    "withholder": (_withheld, "entries withheld"),
}


def leaves(world: World, source: Machine, message: Message) -> bool:
    """Does a message really leave the node that wants to say it?"""
    swallows = _SWALLOWS.get(source.script.mischief)
    if swallows is None or not swallows[0](message):
        return True
    world.checks.marks.add(swallows[1])
    return False


def flood(world: World, source: Machine, count: int) -> None:
    """Send so many frames of junk to everybody who is connected."""
    for index in sorted(source.connected):
        for _ in range(count):
            world.send(source, index, Entries((world.random.randbytes(JUNK_BYTES),)))


def from_the_future(message: Message) -> Message:
    """The message as a later version would say it, with a field that this one does not know, and
    as this one reads it.
    """
    plain = loads(messages.encode(message), max_bytes=limits.MAX_FRAME_BYTES)
    assert isinstance(plain, dict)
    return messages.decode(dumps({**plain, "zz_later": 1}))
