"""The agents that this node hosts, and the capability entries that say so.

An entry is written for what changed, and once more before it expires: a node that starts again
with the same agents an hour later writes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from ledger import Kind
from symphony.core import limits
from symphony.core.logs.journal import Journal
from symphony.core.outbox import Outbox
from symphony.core.owner.jobs import Jobs
from symphony.core.peers.directory import Directory
from symphony.core.records import CAPABILITY, Capability


class Hosting:
    """What this node offers."""

    def __init__(self, journal: Journal, directory: Directory, jobs: Jobs, out: Outbox) -> None:
        self._journal = journal
        self._directory = directory
        self._jobs = jobs
        self._out = out
        self.agents: tuple[Capability, ...] = ()
        self.box: bytes | None = None
        """The key that others seal to what only this node is to read."""
        self.operator = ""
        """Who runs this node, as the founder vouches; what it says of it must be that."""

    def host(self, agents: tuple[Capability, ...], *, renew: bool = False) -> None:
        """Host exactly these agents; write capability records only for what changed."""
        who = self.operator or None
        self.agents = tuple(replace(agent, box=self.box, operator=who) for agent in agents)
        agents = self.agents
        names = {agent.agent for agent in agents}
        mine = list(self._directory.of((self._journal.me,)))
        half_life_ms = limits.CAPABILITY_LIFETIME_MS // 4
        for listing in mine:
            gone = listing.capability.agent not in names and not listing.capability.withdrawn
            if gone:
                self._declare(replace(listing.capability, withdrawn=True))
        known = {listing.capability.agent: listing for listing in mine}
        for agent in agents:
            old = known.get(agent.agent)
            fresh = old is not None and old.expires_ms - self._out.wall_ms > half_life_ms
            if renew or old is None or old.capability != agent or not fresh:
                self._declare(agent)
        self._jobs.host(tuple(agent.agent for agent in agents))

    def _declare(self, capability: Capability) -> None:
        body = CAPABILITY.encode(capability)
        lifetime_ms = limits.CAPABILITY_LIFETIME_MS
        self._journal.write(Kind.CAPABILITY, body, expires_in_ms=lifetime_ms)
