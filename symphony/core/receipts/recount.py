"""The vote of a receipt, run again from what its entries say.

By now every entry is known to be signed, every owner to be elected, every opened text to be the one
that its owner committed to (`receipt`). What is left is the vote: each ballot stands on its chain's
last result, its answer is found again in the text, its agent and skill are those of the award; the
weights are computed anew from the cited evidence, the tally, the settlement and its certificate
follow from them (`settling`), and so does the winner.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import Entry
from ledger.clock import physical_ms
from symphony.core.beacon.match import best_skill, match
from symphony.core.ids import EntryId, NodeId, UnitId, short
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.receipts.compared import judged
from symphony.core.receipts.elections import passed_over
from symphony.core.receipts.ended import all_counted, answer_at
from symphony.core.receipts.report import CheckedBallot
from symphony.core.receipts.steps import called_for, last_step, plan_of, steps_of
from symphony.core.records import (
    Awaited,
    Award,
    Ballot,
    TaskRecord,
    VerdictRecord,
)
from symphony.core.votes.answers import canonical
from symphony.core.votes.evidence import Skilled, counts_at, is_evidence
from symphony.core.votes.grounds import AWAITING, EVIDENT, agent_key, grounds_of
from symphony.core.votes.in_words import in_words
from symphony.core.votes.settling import Ballots, Cast, Settlement, is_answered, settle
from symphony.core.weighing import VERSION, CastBallot, Grounds, effective_milli


@dataclass(frozen=True, slots=True)
class Recount:
    """A vote that holds: the answer, if there is one, and what every ballot was worth."""

    answer: str | None
    ballots: tuple[CheckedBallot, ...]
    effective_milli: int
    passed_over: int
    """Elections in which a bidder lost its place by the conductor's word alone."""
    stop: str
    """Why the vote was over, or how far it had come."""


def recount(checked: Checked, first: Entry, task: TaskRecord, verdict: VerdictRecord) -> Recount:
    """Run the vote again. Raises `ReceiptInvalid` naming what does not hold."""
    if verdict.task != task.task or verdict.rule != task.rule:
        refuse("the verdict is for another task or rule")
    if verdict.version != VERSION:
        refuse(f"its weights are of version {verdict.version}, this program knows {VERSION}")
    if verdict.tokens > min(task.budget_tokens, checked.claimed_tokens):
        refuse("more tokens were spent than the budget or the results allow")
    chains = [ballot.chain for ballot in verdict.ballots]
    if len(set(chains)) != len(chains):
        refuse("a chain voted twice")
    cast = [_ballot(checked, task, ballot) for ballot in verdict.ballots]
    awaited = [_awaited(checked, task, item) for item in verdict.awaited]
    if len({*chains, *(a.chain for a in verdict.awaited)}) != len(chains) + len(awaited):
        refuse("a chain is awaited that has voted, or is awaited twice")
    all_counted(checked, task, verdict)
    _evidence(checked, first, verdict)
    said = judged(checked, task, verdict, [item.ballot for _, item in cast])
    voters = [voter for voter, _ in (*cast, *awaited, *said)]
    at_ms = physical_ms(first.hlc)
    cited = checked.evidence if task.rule in EVIDENT else []
    words = tuple(word for _, both in said for word in both)
    grounds = grounds_of(cited, voters, at_ms, words)
    known = Ballots(
        chains=task.chains,
        cast=tuple(item for _, item in cast),
        outstanding=verdict.outstanding,
        drawn=verdict.drawn,
        awaited=tuple(item for _, item in awaited),
    )
    vote = settle(task.rule, known, task.alpha, grounds)
    return _result(checked, task, verdict, vote, known, grounds)


def _result(
    checked: Checked,
    task: TaskRecord,
    verdict: VerdictRecord,
    vote: Settlement,
    known: Ballots,
    grounds: Grounds,
) -> Recount:
    """Does the verdict say what the vote gave?"""
    for ballot, found in zip(verdict.ballots, vote.votes, strict=True):
        if ballot.weight != found.weight:
            refuse(f"ballot {ballot.chain} weighs {found.weight}, not {ballot.weight}")
    e_milli = min(vote.certificate.e_milli, 2**32 - 1)
    if (verdict.settled, verdict.e_milli) != (vote.state, e_milli):
        refuse(f"the vote was {vote.state} with e-value {e_milli}/1000, not as the verdict says")
    _outcome(task, verdict, vote)
    answered = verdict.outcome in ("answered", "not_certified")
    winner = checked.class_digest(vote.classes[0].key) if answered else None
    if verdict.winner != winner:
        refuse("the winner is not the one that the ballots elect")
    ballots = tuple(
        CheckedBallot(
            ballot.chain,
            NodeId(ballot.owner),
            checked.results[EntryId(ballot.result)][1].model,
            found.answer,
            found.weight,
        )
        for ballot, found in zip(verdict.ballots, vote.votes, strict=True)
    )
    answer = vote.classes[0].answer if answered else None
    worth = effective_milli([cast.ballot for cast in known.cast], vote.weights, grounds)
    stop = in_words(vote, known, task.alpha)
    return Recount(answer, ballots, worth, passed_over(checked, known.cast), stop)


def _outcome(task: TaskRecord, verdict: VerdictRecord, vote: Settlement) -> None:
    over = is_answered(vote.state, task.alpha)
    fitting = {
        "answered": over,
        "not_certified": bool(vote.classes) and not over,
        "failed": not vote.classes and not verdict.outstanding,
        "expired": not vote.classes,
        "cancelled": True,
    }
    if not fitting[verdict.outcome]:
        count = len(vote.votes)
        refuse(f"a task with {count} ballots, {vote.state}, did not end as {verdict.outcome!r}")


def _evidence(checked: Checked, first: Entry, verdict: VerdictRecord) -> None:
    """Are these the entries that the verdict cites, all from before the task?"""
    if tuple(entry.id for entry in checked.evidence) != verdict.evidence:
        refuse("the evidence is not the one that the verdict names")
    if len(set(verdict.evidence)) != len(verdict.evidence):
        refuse("a piece of evidence is there twice")
    if verdict.evidence and verdict.rule not in EVIDENT:
        refuse(f"the rule {verdict.rule} does not go by evidence")
    at_ms = physical_ms(first.hlc)
    for entry in checked.evidence:
        if not is_evidence(entry) or entry.body is None:
            refuse(f"entry {short(entry.id)} is no evidence")
        if entry.hlc >= first.hlc or not counts_at(entry, at_ms):
            refuse(f"the evidence {short(entry.id)} is not from the time before the task")


def _ballot(checked: Checked, task: TaskRecord, ballot: Ballot) -> tuple[Skilled, Cast]:
    steps = steps_of(checked, ballot.chain)
    result, _, award = checked.texts[steps[-1]]
    if result != ballot.result or award.owner != ballot.owner:
        refuse(f"ballot {ballot.chain} does not stand on its chain's last result")
    voter = _voter(checked, award)
    if (ballot.agent, ballot.skill) != voter[1:]:
        refuse(f"ballot {ballot.chain} names another agent or skill than its award")
    record = checked.results[EntryId(ballot.result)][1]
    answer = answer_at(checked, task, steps[-1])
    if answer is None:
        refuse(f"ballot {ballot.chain} stands on an output without an answer")
    key = canonical(answer, task.answer_type)
    if ballot.answer != checked.class_digest(key):
        refuse(f"ballot {ballot.chain} is counted for another answer")
    scores = [_match(checked, checked.texts[step][2]) for step in steps]
    known = checked.capabilities[EntryId(award.capability)][1]
    cast = CastBallot(
        chain=ballot.chain,
        key=key,
        agent=agent_key(voter[0], voter[1]),
        node=voter[0].hex(),
        operator=known.operator or "",
        lineage=known.lineage,
        match_ppm=sum(scores) // len(scores),
        logprob_milli=record.logprob_milli,
    )
    return voter, Cast(cast, answer)


def _awaited(checked: Checked, task: TaskRecord, item: Awaited) -> tuple[Skilled, CastBallot]:
    """The owner of the last step of a chain that was still out."""
    award = checked.awards.get((UnitId(item.unit), item.epoch))
    if award is None or award.name != last_step(checked, item.chain):
        refuse(f"chain {item.chain} is awaited without an award of its last step")
    called_for(checked, award, plan_of(checked, item.chain).final)
    later = (a for (unit, n), a in checked.awards.items() if unit == item.unit and n > item.epoch)
    if any(other.lapse != "slow" for other in later):  # who is slow only gets a rival, and stays
        refuse(f"chain {item.chain} is awaited of an owner that was replaced")
    if task.rule not in AWAITING:
        refuse(f"the rule {task.rule} does not wait for owners")
    voter = _voter(checked, award)
    known = checked.capabilities[EntryId(award.capability)][1]
    who = agent_key(voter[0], voter[1]), voter[0].hex(), known.operator or "", known.lineage
    return voter, CastBallot(item.chain, "", *who)


def _voter(checked: Checked, award: Award) -> Skilled:
    capability = checked.capabilities[EntryId(award.capability)][1]
    return NodeId(award.owner), award.agent, best_skill(capability, award.requirement)


def _match(checked: Checked, award: Award) -> int:
    return match(checked.capabilities[EntryId(award.capability)][1], award.requirement)
