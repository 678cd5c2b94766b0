"""Probing others: ordinary tasks whose answers this node knows already.

To the rest of the swarm a probe is a task like any other: the same beacons, awards, orders and
entries, with the defaults that users have; its question comes from a manifest's probes or from a
generated family, fresh each time. Only here it is remembered that the answer is known, and what
kind of answer it is, also where the task asks for a text. When the task ends, every last step that
gave a result is graded: the known class, or not. Where tasks are
planned, so is a probe: its owner answers after others' steps, as it does for users. An owner that
failed, or was never asked to the end, is no outcome; and nobody grades its own agents.

Outcomes are written down later, many at a time (`PROBE_FLUSH_MS`), in one entry of kind `probe`:
so a probe costs the log little, and its owner can't tell it from work while that matters. The first
entries of a node come soon, because little helps already where nothing is known; each later one
waits twice as long, or for `OUTCOMES_ENOUGH`: a vote can cite only so many entries, and what they
hold is what it knows. Elections learn from them, too (`experience`).

The rate is bounded here, whatever the edge asks for, and probes give way to users' tasks. A bound
on one probe's tokens, or an early end, would be seen by its owners. So a probe may cost what a
user's task may, and the pause that follows is as long as what it cost.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger import Kind
from symphony.core import limits
from symphony.core.beacon.experience import Experience
from symphony.core.ids import NodeId
from symphony.core.inputs import Probe
from symphony.core.logs.journal import Journal
from symphony.core.outbox import Outbox
from symphony.core.records import PROBE, ProbeOutcome, ProbeRecord
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.votes.answers import canonical, extract
from symphony.core.votes.voting import voter_of


class Probing:
    """The probes that this node has out, and the outcomes that wait to be written down."""

    def __init__(self, me: NodeId, journal: Journal, out: Outbox, experience: Experience) -> None:
        self._me = me
        self._journal = journal
        self._out = out
        self._experience = experience
        self._known: dict[bytes, Probe] = {}
        self._outcomes: list[ProbeOutcome] = []
        self._next_ms = 0
        self._since_ms = 0
        self._flushed = 0

    def begin(self, probe: Probe, *, busy: bool, others: int) -> bool:
        """May this probe run now? Then its answer is kept until the task ends."""
        early = self._out.now_ms < self._next_ms
        if busy or early or not others or len(self._known) >= limits.MAX_PROBES_OUT:
            return False
        self._next_ms = self._out.now_ms + limits.PROBE_EVERY_MS
        self._known[probe.task] = probe
        return True

    def forget(self, task: bytes) -> None:
        """It could not be asked."""
        self._known.pop(task, None)

    def halt(self) -> None:
        """Nothing can be written down any more."""
        self._known.clear()
        self._outcomes.clear()

    def known(self, run: TaskRun) -> bool:
        """Is this task a probe of ours?"""
        return run.task in self._known

    def ended(self, run: TaskRun) -> None:
        """Grade every chain's last result of a probe; other tasks are none of this."""
        known = self._known.pop(run.task, None)
        if known is None:
            return
        cost = run.tokens_used + run.tokens_lost
        rest_ms = cost * limits.PROBE_EVERY_MS // limits.PROBE_TOKENS
        self._next_ms = max(self._next_ms, run.started_ms + rest_ms)
        finals = [chain.final for chain in run.chains]
        if not self._outcomes:
            self._since_ms = self._out.now_ms
        self._outcomes += self._graded(run, [u for u in finals if u is not None], known)
        if len(self._outcomes) >= limits.MAX_OUTCOMES_PER_ENTRY:
            self.flush()

    def _graded(self, run: TaskRun, finals: Iterable[Unit], known: Probe) -> Iterable[ProbeOutcome]:
        wanted = canonical(known.answer, known.form)
        for unit in finals:
            if unit.state != "done" or unit.award is None or unit.result is None:
                continue
            assert unit.record is not None
            node, agent, skill = voter_of(run, unit.award)
            said = extract(unit.output, known.form, run.spec.choices, cut=unit.record.cut)
            right = said is not None and canonical(said, known.form) == wanted
            if node != self._me:
                yield ProbeOutcome(node, agent, skill, unit.result.id, right)

    def due(self) -> None:
        """Asked now and then: has the first outcome waited long enough?"""
        enough = len(self._outcomes) >= limits.OUTCOMES_ENOUGH
        doublings = 0 if enough else min(self._flushed, limits.PROBE_DOUBLINGS)
        patience_ms = limits.PROBE_FLUSH_MS << doublings
        if self._outcomes and self._out.now_ms - self._since_ms >= patience_ms:
            self.flush()

    def flush(self) -> None:
        """Write down what has gathered."""
        while self._outcomes:
            batch = tuple(self._outcomes[: limits.MAX_OUTCOMES_PER_ENTRY])
            del self._outcomes[: len(batch)]
            record = ProbeRecord(batch)
            body = PROBE.encode(record)
            self._flushed += 1
            self._journal.write(Kind.PROBE, body, expires_in_ms=limits.PROBE_LIFETIME_MS)
            self._experience.graded(record)
