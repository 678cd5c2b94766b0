"""What a node bids: what its agents may own, and how busy they are, never how good.

A beacon says what its units require, and nothing of what they ask. Each agent here that may own one
(`match.eligible`) bids for it, a few agents of a node at most; if none may, the empty answer says
so at once, and nobody waits for it. A bid names the capability record that it stands on, the free
slots, the queue, and when the unit would be done: how long such units took here lately, once for
each turn until then. An agent whose queue is full doesn't bid.

How good an agent is, others know better than it does (`experience`).
"""

from __future__ import annotations

from dataclasses import dataclass

from symphony.core import limits
from symphony.core.beacon.match import eligible
from symphony.core.beacon.pace import Pace
from symphony.core.effects import Reject
from symphony.core.ids import NodeId
from symphony.core.messages import Beacon, Bid, Bids
from symphony.core.outbox import Outbox
from symphony.core.owner.jobs import Jobs


@dataclass(frozen=True, slots=True)
class Bidding:
    """Answers beacons for the agents that this node hosts; `pace` is what their units took."""

    me: NodeId
    jobs: Jobs
    pace: Pace
    out: Outbox

    def answer(self, peer: NodeId, beacon: Beacon) -> None:
        """Bid for what our agents may own; an empty answer says no at once."""
        if beacon.conductor != peer:
            self.out.do(Reject(peer, "beacon: not by its conductor"))
            return
        bids: list[Bid] = []
        for call in beacon.calls:
            fitting = [
                listing
                for listing in self.jobs.hosted()
                if eligible(listing.capability, call.requirement)
                and (call.requirement.privacy != "local" or peer == self.me)
            ]
            for listing in fitting[: limits.MAX_BIDS_PER_NODE]:
                agent = listing.capability.agent
                free, queued = self.jobs.free(listing), self.jobs.waiting(agent)
                if free == 0 and self.jobs.full(agent):
                    continue
                known_ms = self.pace.own_ms(self.me, agent, call.requirement.role) or 0
                turns = 1 if free else 2 + queued // listing.capability.concurrency
                bids.append(Bid(call.unit, agent, listing.id, free, queued, known_ms * turns))
        self.out.send(peer, Bids(beacon.beacon, tuple(bids)))
