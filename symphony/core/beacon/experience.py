"""What this node has learned about agents from the tasks that it conducted itself.

A fold over four kinds of entries of the *own* log, in the log's order, and over nothing else:

    task      what sort of answers are compared
    award     who got which unit (`open_tasks`); and how the epoch before it ended (`lapse`)
    verdict   which chains voted, and for which class; which ended in nothing at all
    probe     who was right, and who was not, when the answer was known

So it costs no entry and no message, a restart folds the same log again and has the same record,
and whoever holds the log can recompute every count that an award shows. What others say about
agents is not believed here: that is the business of reputation.

*Delivery* counts for an agent as a whole: a unit of a chain that voted was kept; one that failed,
fell silent, was refused or lost with its node was missed. Failures, silence and emptiness also
move the agent's breaker; a broken connection doesn't, for it happens to the honest.

*Quality* counts per agent and skill, by what the ballots of others say of its own (`judging`): the
more of the others agree, and the better they are known to be, the more it counts as right; the more
they contradict it, the more as wrong. A chain's last step counts whole, the steps and the plan
before it by half. Little evidence is filled up to a prior of two observations, at the rate that the
agent has over all of its skills; and what was not renewed for long is halved. A probe's outcome is
written down minutes after its verdict and counts whole, besides what the ballots said.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from ledger import Entry, Kind
from ledger.errors import DecodeError
from symphony.core import limits
from symphony.core.beacon.breaker import CLOSED, Breaker, BreakerState
from symphony.core.beacon.expectation import NO_EVIDENCE, Evidence, faded
from symphony.core.beacon.judging import judgements
from symphony.core.beacon.open_tasks import AgentKey, Given, OpenTask, OpenTasks
from symphony.core.ids import NodeId
from symphony.core.records import (
    AWARD,
    PROBE,
    TASK,
    VERDICT,
    AwardRecord,
    Ballot,
    Lapse,
    ProbeRecord,
    Requirement,
    TaskRecord,
    VerdictRecord,
)

LEARNED_FROM = (Kind.TASK, Kind.AWARD, Kind.VERDICT, Kind.PROBE)
_STRIKES: frozenset[Lapse] = frozenset({"failed", "late", "junk"})
_NO_FAULT: frozenset[Lapse] = frozenset({"unused", "bad_plan", "lost"})


@dataclass(frozen=True, slots=True)
class _Agent:
    """One agent over all of its skills."""

    right: int = 0
    wrong: int = 0
    kept: int = 0
    missed: int = 0
    breaker: Breaker = CLOSED


@dataclass(frozen=True, slots=True)
class _Skill:
    """One agent at one skill, when it was last seen: at our award number `at`."""

    right: int = 0
    wrong: int = 0
    at: int = 0

    def counts(self, now: int) -> tuple[int, int]:
        """What is left of it: half, each time that so many awards went by without a sight of it.
        So nobody is written off for ever for a bad start, and a change for the better is found.
        """
        halvings = (now - self.at) // limits.FORGET_AWARDS
        return self.right >> halvings, self.wrong >> halvings


class Experience:
    """The record of every agent that this node ever awarded anything to, within bounds."""

    def __init__(self) -> None:
        self._agents: OrderedDict[AgentKey, _Agent] = OrderedDict()
        self._skills: OrderedDict[tuple[AgentKey, str], _Skill] = OrderedDict()
        self._open = OpenTasks()
        self._results: OrderedDict[bytes, tuple[AgentKey, str]] = OrderedDict()
        """Whose they are and what skill they were asked for: a probe's outcomes name results."""
        self._awards = 0

    # --- what it is for -----------------------------------------------------------------------

    def evidence(self, node: NodeId, agent: str, requirement: Requirement) -> Evidence | None:
        """What is known of an agent at what a unit requires; None if nothing."""
        key = (node, agent)
        known = self._agents.get(key)
        if known is None:
            return None
        skill = self._skills.get((key, skill_key(requirement)), _Skill())
        right, wrong = skill.counts(self._awards)
        total = known.right + known.wrong + limits.PRIOR_MILLI
        prior = limits.PRIOR_MILLI * (known.right + limits.PRIOR_MILLI // 2) // total
        missed = known.missed
        if known.breaker.state(self._awards) == "probe":
            missed = 0  # its second chance begins with a clean sheet
        return Evidence(right + prior, wrong + limits.PRIOR_MILLI - prior, known.kept, missed)

    def state(self, node: NodeId, agent: str) -> BreakerState:
        """May it be awarded anything?"""
        known = self._agents.get((node, agent))
        return "active" if known is None else known.breaker.state(self._awards)

    def __iter__(self) -> Iterator[AgentKey]:
        """The agents that are known, the longest untouched first."""
        return iter(self._agents)

    # --- what it is made of -------------------------------------------------------------------

    def learn(self, entries: Iterable[Entry]) -> None:
        """Entries of the own log, read back in order. While the log is written, what is written
        is told to `begun`, `awarded` and `judged`, and nothing needs to be decoded.
        """
        for entry in entries:
            try:
                self._read(entry)
            except DecodeError:
                continue  # an earlier version of ours wrote it

    def _read(self, entry: Entry) -> None:
        if entry.body is None:
            return
        match entry.kind:
            case Kind.TASK:
                self.begun(TASK.decode(entry.body))
            case Kind.AWARD:
                self.awarded(AWARD.decode(entry.body))
            case Kind.VERDICT:
                self.judged(VERDICT.decode(entry.body))
            case Kind.PROBE:
                self.graded(PROBE.decode(entry.body))
            case _:
                pass

    def begun(self, record: TaskRecord) -> None:
        self._open.get(record.task).answer_type = record.answer_type

    def awarded(self, record: AwardRecord) -> None:
        """Units were given away; those that had an owner before tell how that went."""
        for award in record.awards:
            self._awards += 1
            before = self._open.get(record.task).give(Given(award, self._awards))
            if before is not None and award.lapse is not None:
                self._lapsed(before, award.lapse)

    def judged(self, record: VerdictRecord) -> None:
        """A task ended: what its ballots say of those who worked for them."""
        task = self._open.close(record.task)
        if task is None:
            return
        for chain in record.blank:
            given = task.last_of(chain)
            if given is not None:
                self._lapsed(given, "junk")
        ballots = sorted(record.ballots, key=lambda ballot: ballot.chain)
        said = judgements(ballots, task.answer_type, lambda ballot: self._rate(task, ballot))
        for ballot in ballots:
            self._voted(task, ballot, said.get(ballot.chain, 0))

    def graded(self, record: ProbeRecord) -> None:
        """Answers to questions whose answers were known."""
        for outcome in record.outcomes:
            found = self._results.pop(outcome.result, None)
            if found is not None:
                self._quality(found[0], found[1], 1000, right=outcome.right)

    def probed(self, node: NodeId, agent: str, requirement: Requirement, *, right: bool) -> None:
        """An answer to a question whose answer was known counts like a ballot."""
        self._quality((node, agent), skill_key(requirement), 1000, right=right)

    # --- how ----------------------------------------------------------------------------------

    def _rate(self, task: OpenTask, ballot: Ballot) -> int:
        """How often who cast this ballot is right at what it was asked, as far as is known."""
        given = task.last_of(ballot.chain)
        evidence = NO_EVIDENCE
        if given is not None:
            node, agent = NodeId(ballot.owner), ballot.agent
            evidence = self.evidence(node, agent, given.award.requirement) or NO_EVIDENCE
        return evidence.right * 1_000_000 // max(1, evidence.right + evidence.wrong)

    def _voted(self, task: OpenTask, ballot: Ballot, signed: int) -> None:
        """A chain came to its ballot: everybody who worked for it delivered. `signed` is how right
        it was (`judging`).
        """
        for given, final in task.team(ballot.chain, ballot.owner):
            self._delivered(given.agent)
            skill = skill_key(given.award.requirement)
            if final:
                self._results[ballot.result] = given.agent, skill
                if len(self._results) > limits.MAX_RESULTS_TO_GRADE:
                    self._results.popitem(last=False)
            if signed:
                weight = abs(signed) if final else abs(signed) // 2
                self._quality(given.agent, skill, weight, right=signed > 0)

    def _delivered(self, key: AgentKey) -> None:
        known = self._agents.get(key, _Agent())
        self._keep(
            key,
            replace(
                known,
                kept=faded(known.kept) + 1000,
                missed=faded(known.missed),
                breaker=known.breaker.kept(),
            ),
        )

    def _lapsed(self, given: Given, lapse: Lapse) -> None:
        if lapse == "bad_plan":
            skill = skill_key(given.award.requirement)
            self._quality(given.agent, skill, 1000, right=False)
        if lapse in _NO_FAULT:
            return
        known = self._agents.get(given.agent, _Agent())
        breaker = known.breaker
        if lapse in _STRIKES:
            breaker = breaker.missed(given.number, self._awards)
        missed = faded(known.missed) + 1000
        changed = replace(known, kept=faded(known.kept), missed=missed, breaker=breaker)
        self._keep(given.agent, changed)

    def _quality(self, key: AgentKey, skill: str, weight: int, *, right: bool) -> None:
        known = self._agents.get(key, _Agent())
        yes, no = (weight, 0) if right else (0, weight)
        self._keep(
            key,
            replace(
                known,
                right=faded(known.right, weight) + yes,
                wrong=faded(known.wrong, weight) + no,
            ),
        )
        before = self._skills.pop((key, skill), _Skill()).counts(self._awards)
        after = _Skill(faded(before[0], weight) + yes, faded(before[1], weight) + no, self._awards)
        self._skills[key, skill] = after
        if len(self._skills) > limits.MAX_EXPERIENCES:
            self._skills.popitem(last=False)

    def _keep(self, key: AgentKey, known: _Agent) -> None:
        self._agents.pop(key, None)
        self._agents[key] = known
        if len(self._agents) > limits.MAX_EXPERIENCES:
            self._agents.popitem(last=False)


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def skill_key(requirement: Requirement) -> str:
    """What counts as the same skill: role and wording, but for case and blanks."""
    return f"{requirement.role}/{_plain(requirement.skill)}"
