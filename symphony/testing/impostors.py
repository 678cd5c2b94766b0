"""Agents that pretend: a bidder that lies, a copier, and sybils.

They keep the protocol, so nobody can convict them; what they do must cost the honest neither a
task nor a second verdict.

- A *lying bidder* says that it has all the time in the world and is done at once, and bids a
  second time in the name of an agent that isn't its own.
- A *copier* answers with what somebody else answered to the same question, once that is there.
- *Sybils* are two nodes of one operator: their agents give the same wrong answer, at once.

Seeds depend on the order in which things are drawn. So these are drawn by a generator of their own,
after all other hardships.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from symphony.core.messages import Bids, Order
from symphony.testing.engines import Attempt, wrong_answer
from symphony.testing.mischief import Pretence
from symphony.testing.scenario import NodeScript, Scenario

if TYPE_CHECKING:
    from symphony.testing.machine import Machine

KINDS: tuple[Pretence, ...] = ("lying bidder", "copier", "sybil")
MARKS = ("lying bid", "copied answer", "sybils agree")
MIN_NODES = 4
BOAST = 1_000
"""The free slots that a lying bidder says it has."""
AT_ONCE_MS = 5


def disguise(drawn: Scenario) -> Scenario:
    """The scenario with the impostors of its seed: honest nodes until then, never the first."""
    random = Random(f"impostors/{drawn.seed}")
    kinds = [kind for kind in KINDS if random.random() < 0.2]
    nodes = list(drawn.nodes)
    if not drawn.kinds or len(nodes) < MIN_NODES:
        return drawn
    for kind in kinds:
        honest = [at for at, node in enumerate(nodes) if at and _honest(node)]
        wanted = 2 if kind == "sybil" else 1
        for at in random.sample(honest, min(wanted, len(honest))):
            nodes[at] = replace(nodes[at], pretence=kind)
    return replace(drawn, nodes=tuple(nodes), kinds=drawn.kinds | set(kinds))


def _honest(node: NodeScript) -> bool:
    return not (node.hostile or node.mischief or node.pretence)


class Rumours:
    """What the agents of one world said to each question, for those that listen."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, bool], tuple[int, int, str]] = {}
        """By what is asked in the end: when it was answered first, by which node, and how."""
        self._sybils: dict[tuple[str, bool], int] = {}

    def made(self, machine: Machine, order: Order, honest: Attempt) -> Attempt:
        """What an agent really makes of an order that it would have answered honestly so."""
        key = order.goal or order.question, order.final
        marks, now_ms = machine.world.checks.marks, machine.world.now_ms
        if machine.script.pretence == "sybil" and order.role == "solve":
            first = self._sybils.setdefault(key, machine.index)
            if first != machine.index:
                marks.add("sybils agree")
            return Attempt(AT_ONCE_MS, wrong_answer(order))
        heard = self._said.get(key)
        if machine.script.pretence == "copier" and heard and heard[1] != machine.index:
            marks.add("copied answer")
            return Attempt(max(0, heard[0] - now_ms) + AT_ONCE_MS, heard[2])
        if order.role == "solve" and honest.output:
            self._said.setdefault(key, (now_ms + honest.after_ms, machine.index, honest.output))
        return honest


def boasted(machine: Machine, bids: Bids) -> Bids:
    """The bids of a lying bidder, from its honest ones."""
    if not bids.bids:
        return bids
    machine.world.checks.marks.add("lying bid")
    other = machine.world.machines[0].script.agents
    lies = [replace(bid, free=BOAST, queued=0, estimate_ms=1) for bid in bids.bids]
    if other:
        lies.append(replace(lies[0], agent=other[0].name, capability=bytes(32)))
    return replace(bids, bids=tuple(lies))
