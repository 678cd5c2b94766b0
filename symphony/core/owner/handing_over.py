"""What an owner hands over: a signed result, of an output or of a failure.

The result is an entry of the owner's own log before anybody hears of it. It commits, with the salt
of the award, to the order that was worked on and to the output that goes with it; neither is in the
ledger. What a model said is brought within the bounds of a record (`fitting`) here.

What was handed over is kept for a while: a conductor that was restarted, or that never got it,
sends the same work again and gets the same answer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from ledger import Kind
from symphony.core import limits
from symphony.core.ids import Epoch, NodeId, UnitId, salted_digest
from symphony.core.inputs import WorkDone, WorkFailed
from symphony.core.logs.journal import Journal
from symphony.core.messages import Done, encode_order
from symphony.core.outbox import Outbox
from symphony.core.owner.fitting import as_count, as_logprob, as_name, as_text
from symphony.core.owner.jobs import Job
from symphony.core.records import RESULT, Capability, ResultRecord


class HandingOver:
    """The results of one owner."""

    def __init__(self, journal: Journal, out: Outbox) -> None:
        self._journal = journal
        self._out = out
        self._kept: OrderedDict[tuple[NodeId, UnitId, Epoch], Done] = OrderedDict()

    def kept(self, job: Job) -> Done | None:
        """What was handed over for this very award, if it is not too long ago."""
        return self._kept.get((job.origin, job.unit, job.epoch))

    def output(self, job: Job, done: WorkDone, output: str, begun: tuple[UnitId, ...]) -> None:
        """Hand over an output, which is `as_output` of what came; `begun` are the units that were
        begun with it.
        """
        record = replace(
            _record(job, output, done.elapsed_ms),
            status="ok",
            model=as_name(done.model),
            engine=as_name(done.engine),
            prompt_tokens=as_count(done.prompt_tokens),
            completion_tokens=as_count(done.completion_tokens),
            logprob_milli=as_logprob(done.logprob_milli),
            cut=done.cut,
        )
        self._send(job, record, output, begun)

    def failure(self, job: Job, failed: WorkFailed, capability: Capability | None) -> None:
        """Hand over the word that there is no output, and why; `capability` is the agent's."""
        record = replace(
            _record(job, "", failed.elapsed_ms),
            model=capability.model if capability else "unknown",
            engine=capability.engine if capability else "unknown",
            reason=as_text(failed.reason)[:300],
        )
        self._send(job, record, "", ())

    def _send(self, job: Job, record: ResultRecord, output: str, begun: tuple[UnitId, ...]) -> None:
        refs = (job.award_id,)
        entry = self._journal.write(Kind.RESULT, RESULT.encode(record), refs=refs)
        done = Done(entry.encode(), job.unit, job.epoch, output, begun)
        self._out.send(job.conductor, done)
        self._kept[job.origin, job.unit, job.epoch] = done
        while len(self._kept) > limits.MAX_HANDED_OVER:
            self._kept.popitem(last=False)


def _record(job: Job, output: str, elapsed_ms: int) -> ResultRecord:
    """A failure that nothing is known of but its job; with the digests of what went in and out."""
    return ResultRecord(
        task=job.task,
        unit=job.unit,
        epoch=job.epoch,
        award=job.award_id,
        agent=job.award.agent,
        status="failed",
        input=salted_digest("input", job.salt, encode_order(job.order)),
        output=salted_digest("output", job.salt, output.encode()),
        model="unknown",
        engine="unknown",
        seed=job.order.seed,
        prompt_tokens=0,
        completion_tokens=0,
        elapsed_ms=as_count(elapsed_ms),
    )
