"""The jobs of this node: which run, which wait for a slot, and how busy that makes it.

An agent runs as many jobs at once as its capability record says (`concurrency`): those are its
slots. What is awarded beyond that waits, in the order in which it came, in a short queue; the rest
is refused, so that it goes to somebody else. A slot that falls free is taken by whoever waits for
the same agent, at once.

What others hear of it is three numbers in every word of presence, and two in every bid.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from symphony.core import limits
from symphony.core.effects import CancelWork, StartWork
from symphony.core.ids import EntryId, Epoch, NodeId, UnitId
from symphony.core.messages import Order
from symphony.core.outbox import Outbox
from symphony.core.owner.mandates import Mandate
from symphony.core.peers.directory import Directory, Listing
from symphony.core.records import Award


@dataclass(slots=True)
class Job:
    """One unit that this node owns, or owned until a moment ago."""

    conductor: NodeId
    mandate: Mandate
    order: Order
    salt: bytes
    deadline_ms: int
    running: bool = False
    renewals: int = 0
    sent_ms: dict[int, int] = field(default_factory=dict)
    until_ms: int = 0
    spoke_ms: int = 0
    text: str = ""

    @property
    def origin(self) -> NodeId:
        """Whose task it is: fences are kept under that."""
        return self.mandate.origin

    @property
    def task(self) -> bytes:
        return self.mandate.task

    @property
    def award(self) -> Award:
        return self.mandate.award

    @property
    def award_id(self) -> EntryId:
        return self.mandate.award_id

    @property
    def unit(self) -> UnitId:
        return UnitId(self.award.unit)

    @property
    def epoch(self) -> Epoch:
        return Epoch(self.award.epoch)


class Jobs:
    """All jobs of the agents that this node hosts."""

    def __init__(self, me: NodeId, directory: Directory, out: Outbox) -> None:
        self._me = me
        self._directory = directory
        self._out = out
        self._agents: tuple[str, ...] = ()
        self._jobs: dict[UnitId, Job] = {}
        self._waiting: dict[str, deque[UnitId]] = {}

    def host(self, agents: tuple[str, ...]) -> None:
        """The agents that this node hosts now, by name."""
        self._agents = agents
        for agent in agents:
            self._waiting.setdefault(agent, deque())

    @property
    def running(self) -> int:
        return sum(job.running for job in self._jobs.values())

    @property
    def queued(self) -> int:
        return len(self._jobs) - self.running

    @property
    def slots(self) -> int:
        return sum(listing.capability.concurrency for listing in self.hosted())

    def hosted(self) -> list[Listing]:
        """The agents here that the ledger knows of."""
        found = (self._directory.get(self._me, agent) for agent in self._agents)
        return [listing for listing in found if listing is not None]

    def listing(self, agent: str) -> Listing | None:
        """What the ledger says of an agent that is hosted here."""
        return self._directory.get(self._me, agent) if agent in self._agents else None

    def free(self, listing: Listing) -> int:
        """The slots of an agent that nothing runs in, or waits for."""
        agent = listing.capability.agent
        busy = sum(job.award.agent == agent for job in self._jobs.values())
        return max(0, listing.capability.concurrency - busy)

    def waiting(self, agent: str) -> int:
        """How many jobs wait for this agent."""
        return len(self._waiting[agent])

    def full(self, agent: str) -> bool:
        """May no more of them wait?"""
        return self.waiting(agent) >= limits.MAX_QUEUE_PER_AGENT

    def get(self, unit: UnitId) -> Job | None:
        return self._jobs.get(unit)

    def current(self, unit: UnitId, epoch: Epoch) -> Job | None:
        """The job of this unit, if it is of this very award."""
        job = self._jobs.get(unit)
        return job if job is not None and job.epoch == epoch else None

    def add(self, job: Job, listing: Listing) -> None:
        """One more, for an agent that is not `full`: it starts as soon as there is a slot."""
        self._jobs[job.unit] = job
        self._waiting[job.award.agent].append(job.unit)
        self.start(job.award.agent, listing)

    def start(self, agent: str, listing: Listing | None = None) -> None:
        """Start what waits, as long as the agent has a free slot."""
        listing = listing or self._directory.get(self._me, agent)
        slots = listing.capability.concurrency if listing else 0
        queue = self._waiting[agent]
        busy = sum(job.running and job.award.agent == agent for job in self._jobs.values())
        while queue and busy < slots:
            job = self._jobs.get(queue.popleft())
            if job is None:
                continue
            job.running = True
            busy += 1
            own = job.conductor == self._me
            self._out.do(StartWork(job.unit, job.epoch, agent, job.order, job.deadline_ms, own))

    def remove(self, job: Job) -> None:
        """It has come to its end, or is not to be done; what waits is started by `start`."""
        del self._jobs[job.unit]

    def abort(self, job: Job) -> None:
        """Stop what its engine does for it, or let it wait no more."""
        if job.running:
            self._out.do(CancelWork(job.unit, job.epoch))
        elif job.unit in self._waiting[job.award.agent]:
            self._waiting[job.award.agent].remove(job.unit)

    def clear(self) -> None:
        """None of them is to be done."""
        for job in list(self._jobs.values()):
            self.abort(job)
        self._jobs.clear()
        for queue in self._waiting.values():
            queue.clear()
