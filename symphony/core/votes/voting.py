"""The vote of a running task: from final results to ballots, and from ballots to a settlement.

What is needed for that is gathered here from the run; the arithmetic is `settling`, the same that
a receipt's reader runs. A chain's skill is the one of its owner's that fits the last step best.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.clock import pack, physical_ms
from symphony.core import limits
from symphony.core.beacon.match import best_skill, eligible, match
from symphony.core.ids import EntryId, NodeId
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.peers.directory import Listing
from symphony.core.records import Award, Capability, Requirement, Rule
from symphony.core.spec import TaskSpec
from symphony.core.tasks.task_run import Chain, TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.votes.answers import canonical, extract
from symphony.core.votes.evidence import Skilled
from symphony.core.votes.evidence_book import EvidenceBook
from symphony.core.votes.grounds import AWAITING, EVIDENT, agent_key, grounds_of
from symphony.core.votes.judges import comparisons, judges
from symphony.core.votes.settling import Ballots, Cast, Settlement, settle
from symphony.core.weighing import CastBallot, Comparison, default_rule, effective_milli


def cast(run: TaskRun, chain: Chain, unit: Unit, steps: Sequence[Unit]) -> bool:
    """Give a chain its ballot, from its last step's output; False if that holds no answer."""
    spec = run.spec
    assert unit.award is not None
    assert unit.record is not None
    answer = extract(unit.output, spec.answer_type, spec.choices, cut=unit.record.cut)
    if answer is None:
        return False
    scores = [_match(run, step) for step in steps]
    voter = voter_of(run, unit.award)
    ballot = CastBallot(
        chain=chain.index,
        key=canonical(answer, spec.answer_type),
        agent=agent_key(voter[0], voter[1]),
        node=voter[0].hex(),
        operator=capability_of(run, unit.award).operator or "",
        lineage=capability_of(run, unit.award).lineage,
        match_ppm=sum(scores) // len(scores),
        logprob_milli=unit.record.logprob_milli,
    )
    chain.voter, chain.cast = voter, Cast(ballot, answer)
    return True


def resettle(run: TaskRun, book: EvidenceBook) -> Settlement:
    """Weigh all ballots anew and see where the vote stands; the run remembers it."""
    known = known_ballots(run)
    voters = [chain.voter for chain in run.chains if chain.voter is not None]
    if run.rule in AWAITING:
        voters += [voter_of(run, unit.award) for unit in awaited_units(run) if unit.award]
    said: tuple[Comparison, ...] = ()
    if run.rule == "ranked":
        said = comparisons(run)
        done = [unit for unit in judges(run) if unit.state == "done"]
        voters += [voter_of(run, unit.award) for unit in done if unit.award]
    if run.rule in EVIDENT:
        run.cited = book.cited(voters, run.entries[0].hlc)
    at_ms = physical_ms(run.entries[0].hlc)
    run.grounds = grounds_of(run.cited, voters, at_ms, said)
    run.settlement = settle(run.rule, known, run.spec.alpha_ppm, run.grounds)
    return run.settlement


def known_ballots(run: TaskRun) -> Ballots:
    """The ballots of a run as it stands."""
    drawn = next((c.index for c in run.chains if not c.ended), len(run.chains))
    awaited: list[CastBallot] = []
    if run.rule in AWAITING:
        for unit in awaited_units(run):
            assert unit.award is not None
            node, agent, _ = voter_of(run, unit.award)
            known = capability_of(run, unit.award)
            who = agent_key(node, agent), node.hex(), known.operator or "", known.lineage
            awaited.append(CastBallot(unit.chain, "", *who))
    return Ballots(
        chains=len(run.chains),
        cast=tuple(chain.cast for chain in run.chains if chain.cast is not None),
        outstanding=run.outstanding,
        drawn=drawn,
        awaited=tuple(awaited),
    )


def awaited_units(run: TaskRun) -> list[Unit]:
    """The last steps of chains that are still out, as far as they are awarded."""
    finals = [chain.final for chain in run.chains if not chain.ended]
    return [unit for unit in finals if unit is not None and unit.award_id is not None]


def effective(run: TaskRun) -> int:
    """How many independent votes the ballots are worth, in thousandths."""
    if run.settlement is None:
        return 0
    ballots = [chain.cast.ballot for chain in run.chains if chain.cast is not None]
    return effective_milli(ballots, run.settlement.weights, run.grounds)


def voter_of(run: TaskRun, award: Award) -> Skilled:
    capability = capability_of(run, award)
    return NodeId(award.owner), award.agent, best_skill(capability, award.requirement)


def capability_of(run: TaskRun, award: Award) -> Capability:
    return run.listings[EntryId(award.capability)].capability


def _match(run: TaskRun, unit: Unit) -> int:
    """φ of a unit's owner, whatever rule elected it."""
    assert unit.award is not None
    return match(capability_of(run, unit.award), unit.award.requirement)


def rule_for(spec: TaskSpec, listings: Iterable[Listing], book: EvidenceBook, wall_ms: int) -> Rule:
    """The rule of a task. `auto` goes by what is known of those who may work on it."""
    if spec.rule != "auto":
        return spec.rule
    if not len(book):
        return default_rule((), grounds_of((), (), wall_ms))
    needs = Requirement("solve", spec.skill or DIRECT_SKILL, spec.privacy, 0)
    able = [item for item in listings if eligible(item.capability, needs)][: limits.MAX_POOL]
    pool = [(item.node, item.capability.agent, best_skill(item.capability, needs)) for item in able]
    grounds = grounds_of(book.cited(pool, pack(wall_ms + 1)), pool, wall_ms)
    ballots = [
        CastBallot(0, "", agent_key(node, agent), node.hex(), item.capability.operator or "")
        for item, (node, agent, _) in zip(able, pool, strict=True)
    ]
    return default_rule(ballots, grounds)
