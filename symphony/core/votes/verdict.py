"""The end of a task: the tally, the verdict entry, the receipt, and the last event."""

from __future__ import annotations

from ledger import Entry, Kind
from symphony.core.effects import KeepReceipt
from symphony.core.events import BallotView, TaskEnded
from symphony.core.ids import NodeId, salted_digest
from symphony.core.logs.journal import Journal
from symphony.core.outbox import Outbox
from symphony.core.receipts.bundle import bundle, receipt_digest
from symphony.core.records import VERDICT, Awaited, Ballot, Outcome, VerdictRecord
from symphony.core.tasks.task_run import TaskRun
from symphony.core.votes.grounds import AWAITING
from symphony.core.votes.vote import Class, Vote, count_level
from symphony.core.votes.voting import awaited_units, effective, known_ballots
from symphony.core.weighing import VERSION


def conclude(
    run: TaskRun, outcome: Outcome, stop: str, journal: Journal, out: Outbox, *, keep: bool = True
) -> VerdictRecord:
    """Write the verdict down, bundle the receipt, and tell everybody who waits. Nobody waits for
    the receipt of a probe, so it is not kept.
    """
    record = _record(run, outcome, stop)
    entry = journal.write(Kind.VERDICT, VERDICT.encode(record), refs=(run.entries[0].id,))
    run.entries.append(entry)
    receipt = bundle(run, journal.swarm_id)
    if keep:
        out.do(KeepReceipt(run.task, receipt))
    out.tell(_ended(run, outcome, stop, receipt, out.now_ms))
    return record


def tell_again(run: TaskRun, entry: Entry, journal: Journal, out: Outbox) -> None:
    """The verdict was written before a crash, and perhaps nobody was told: make the receipt again,
    and say how the task ended. The run was weighed by what the verdict cites; what is lost of the
    run is missing in both.
    """
    record = VERDICT.decode(entry.body or b"")
    run.entries.append(entry)
    run.tokens_used, run.failovers = record.tokens, record.failovers
    receipt = bundle(run, journal.swarm_id)
    out.do(KeepReceipt(run.task, receipt))
    out.tell(_ended(run, record.outcome, record.stop, receipt, out.now_ms))


def _record(run: TaskRun, outcome: Outcome, stop: str) -> VerdictRecord:
    vote = run.settlement
    answered = _answers(run, outcome)
    known = known_ballots(run)
    awaited = awaited_units(run) if run.rule in AWAITING else []
    return VerdictRecord(
        task=run.task,
        outcome=outcome,
        rule=run.rule,
        version=VERSION,
        ballots=tuple(_ballot(run, v) for v in vote.votes) if vote is not None else (),
        settled=vote.state if vote is not None else "open",
        outstanding=known.outstanding,
        drawn=known.drawn,
        stop=stop[:300],
        tokens=run.tokens_used,
        failovers=run.failovers,
        e_milli=min(vote.certificate.e_milli, 2**32 - 1) if vote is not None else 0,
        awaited=tuple(Awaited(unit.chain, unit.id, unit.epoch) for unit in awaited),
        evidence=tuple(entry.id for entry in run.cited),
        winner=_class_digest(run, answered[0].key) if answered else None,
        blank=tuple(chain.index for chain in run.chains if chain.blank),
    )


def _answers(run: TaskRun, outcome: Outcome) -> tuple[Class, ...]:
    """The classes, winner first, if the task has an answer at all."""
    if run.settlement is None or outcome not in ("answered", "not_certified"):
        return ()
    return run.settlement.classes


def _ballot(run: TaskRun, vote: Vote) -> Ballot:
    final = run.chains[vote.chain].final
    assert final is not None
    assert final.result is not None
    assert final.award is not None
    voter = run.chains[vote.chain].voter
    assert voter is not None
    return Ballot(
        chain=vote.chain,
        result=final.result.id,
        owner=final.award.owner,
        agent=final.award.agent,
        skill=voter[2],
        answer=_class_digest(run, vote.key),
        weight=vote.weight,
    )


def _class_digest(run: TaskRun, key: str) -> bytes:
    return salted_digest("answer", run.salt, key.encode())


def _ended(run: TaskRun, outcome: Outcome, stop: str, receipt: bytes, now_ms: int) -> TaskEnded:
    classes = _answers(run, outcome)
    votes = run.settlement.votes if run.settlement is not None else ()
    total_ms = now_ms - run.started_ms
    waits = sorted(run.award_waits_ms)
    phases = {
        "plan": run.planned_ms,
        "steps": max(0, run.voted_ms - run.planned_ms),
        "vote": total_ms - max(run.voted_ms, run.planned_ms),
        "total": total_ms,
        "award_p50": waits[len(waits) // 2] if waits else 0,
    }
    code, message = _error(run, outcome, stop)
    return TaskEnded(
        task=run.task,
        at_ms=total_ms,
        outcome=outcome,
        answer=classes[0].answer if classes else "",
        ballots=tuple(_view(run, vote) for vote in votes),
        stop=stop,
        error=code,
        message=message,
        owner_failovers=run.failovers,
        tokens=run.tokens_used,
        receipt=receipt_digest(receipt),
        phases_ms=phases,
        rule=run.rule,
        effective_milli=effective(run),
        settled=run.settlement.state if run.settlement is not None else "",
        agreeing=len(classes[0].votes) if classes else 0,
        answers=len(classes),
        level=count_level(classes),
        prompt_tokens=_prompt_tokens(run),
    )


def _prompt_tokens(run: TaskRun) -> int:
    known = sum(unit.record.prompt_tokens for unit in run.units.values() if unit.record)
    return min(known, run.tokens_used)  # an owner that claims more than it was awarded is paid less


def _view(run: TaskRun, vote: Vote) -> BallotView:
    final = run.chains[vote.chain].final
    assert final is not None
    assert final.award is not None
    model = final.record.model if final.record else ""
    return BallotView(vote.chain, NodeId(final.award.owner), model, vote.answer, vote.weight)


def _error(run: TaskRun, outcome: Outcome, stop: str) -> tuple[str, str]:
    """The code of `symphony.errors` and the text for an outcome that is no answer."""
    failures = [chain.failure for chain in run.chains if chain.failure is not None]
    match outcome:
        case "answered":
            return "", ""
        case "not_certified":
            return "not_certified", stop
        case "cancelled":
            return "cancelled", stop
        case "expired":
            awarded = any(unit.attempts for unit in run.units.values())
            return ("budget_exhausted", stop) if awarded else ("no_bids", "nobody bid in time")
        case "failed":
            return failures[0] if failures else ("task_failed", stop)
