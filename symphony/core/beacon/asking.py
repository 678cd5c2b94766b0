"""Whom to ask for bids, for what, and what a bid is worth: the agents that a conductor knows of.

Asked are the few that promise most, by the very score that an election would give them, and two
more by chance, so that newcomers and those that once did badly are heard again. Agents whose
breaker is open, or whose records claim what is not so (`claims`), are left out, and their bids are
not heard, unless nobody else can do the work; so are nodes that seem dead (`suspicion`), as long as
others are left. If better agents are out there than at hand, they are sought (`seeking`), and the
call goes on without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from symphony.core import limits
from symphony.core.beacon.awards import tokens_needed
from symphony.core.beacon.election import score
from symphony.core.beacon.match import eligible
from symphony.core.ids import NodeId
from symphony.core.messages import Order
from symphony.core.peers.directory import Listing
from symphony.core.records import Candidate, Requirement
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.votes.judges import barred


@dataclass(frozen=True, slots=True)
class Asking:
    """Chooses among the agents that a node knows of. `order_for` builds the order that the owner of
    a unit would get.
    """

    around: Surroundings
    order_for: Callable[[TaskRun, Unit], Order]

    def reachable(self, run: TaskRun) -> frozenset[NodeId]:
        """Who may be asked at all: for a local task nobody but this node, and once as many nodes
        work on a task as may, nobody but those.
        """
        around = self.around
        if run.spec.privacy == "local":
            return frozenset({around.me})
        return around.alive() & {around.me, *run.nodes} if run.nodes_spent else around.alive()

    def requirement(self, run: TaskRun, unit: Unit) -> Requirement:
        """What a unit needs of its owner: all that a beacon says of it."""
        vectors = self.around.vectors
        if unit.step is None and unit.role == "solve":
            tokens = len(run.spec.prompt) // 3 + 200 + run.spec.max_tokens
        else:
            tokens = tokens_needed(self.order_for(run, unit)) + run.unknown_tokens(unit)
        return Requirement(
            role=unit.role,
            skill=unit.skill,
            privacy=run.spec.privacy,
            context_tokens=tokens,
            vector=vectors.get(unit.skill),
            encoder=vectors.encoder,
        )

    def able(self, run: TaskRun, unit: Unit) -> list[Listing]:
        """The agents that could do a unit now."""
        needs = self.requirement(run, unit)
        return [listing for _, listing in self.fitting(run, unit, needs)]

    def fitting(self, run: TaskRun, unit: Unit, needs: Requirement) -> list[tuple[int, Listing]]:
        """(φ, listing) of all that may own the unit, best first; those who failed it, are
        excluded or seem dead only if there is nobody else.
        """
        around, wall_ms = self.around, self.around.out.wall_ms
        alive, out = self.reachable(run), barred(run, unit)

        def among(nodes: frozenset[NodeId]) -> list[tuple[int, Listing]]:
            pairs = around.directory.fitting(needs, nodes, wall_ms)
            return [p for p in pairs if not out.bars(p[1].node, p[1].capability.operator)]

        found = among(alive - set(unit.avoided))
        if not found and unit.avoided:
            unit.avoided.clear()  # attempts are bounded, so this ends
            found = among(alive)
        trusted = [pair for pair in found if not self._excluded(pair[1])]
        unit.last_resort = not trusted
        suspects = around.suspects()
        lively = [pair for pair in trusted or found if pair[1].node not in suspects]
        return lively or trusted or found

    def _excluded(self, listing: Listing) -> bool:
        state = self.around.experience.state(listing.node, listing.capability.agent)
        return state == "excluded" or self.around.claims.refuted(listing)

    def whom(self, run: TaskRun, units: Sequence[Unit]) -> list[NodeId]:
        """The nodes that promise most for any of these units, and a few at random."""
        worth: dict[NodeId, int] = {}
        agents: dict[NodeId, list[Listing]] = {}
        for unit in units:
            fitting = self.fitting(run, unit, unit.needs)
            if run.spec.privacy != "local" and not run.nodes_spent:
                self.around.seeking.look(unit.needs, fitting, self.around.alive())
            for fit, listing in fitting:
                points = fit
                if run.spec.selection == "learned":
                    points = self.candidate(run, unit, listing, 0).score
                worth[listing.node] = max(points, worth.get(listing.node, 0))
                agents.setdefault(listing.node, []).append(listing)
        order = sorted(worth, key=lambda node: (-worth[node], node))
        best, rest = order[: limits.ASKED_BY_MATCH], order[limits.ASKED_BY_MATCH :]
        extra = self.around.chance.sample(rest, min(limits.ASKED_AT_RANDOM, len(rest)))
        self.around.claims.look(one for node in (*best, *extra) for one in agents[node])
        return best + extra

    def hears(self, unit: Unit, listing: Listing) -> bool:
        """Does a bid of this agent count?"""
        if not unit.last_resort and self._excluded(listing):
            return False
        return eligible(listing.capability, unit.needs)

    def candidate(self, run: TaskRun, unit: Unit, listing: Listing, free: int) -> Candidate:
        """A bid with its score, and with the evidence that the score stands on."""
        node, capability, needs = listing.node, listing.capability, unit.needs
        seen: tuple[int, int, int, int] | None = None
        if run.spec.selection == "learned":
            evidence = self.around.experience.evidence(node, capability.agent, needs)
            seen = None if evidence is None else evidence.counts
        points = score(run.spec.selection, unit.id, node, capability, needs, seen)
        return Candidate(node, capability.agent, listing.id, points, free, seen)
