"""Probes: ordinary tasks to everybody else; their outcomes are written down later, together."""

from random import Random
from typing import Any

import pytest
from core_stage import Stage, capability
from core_votes import Panel

from ledger import Kind
from symphony.core import limits
from symphony.core.beacon.experience import LEARNED_FROM, Experience
from symphony.core.effects import KeepReceipt
from symphony.core.events import TaskEnded
from symphony.core.ids import TaskId
from symphony.core.inputs import Probe
from symphony.core.messages import Work
from symphony.core.records import PROBE, TASK, VERDICT
from symphony.core.spec import TaskSpec
from symphony.core.votes.answers import canonical, extract
from symphony.manifests import families
from symphony.manifests.probes import Probe as Known
from symphony.node.prober import ask, chosen, probe_others

SPEC = TaskSpec("What is 6 x 7?", planning="never", answer_type="number", rule="majority")


def probe(number: int = 0, **changes: Any) -> Probe:
    return Probe(TaskId(bytes([number]) * 16), b"s" * 16, SPEC, changes.get("answer", "42"))


def outcomes(stage: Stage) -> list[tuple[str, bool]]:
    found = [PROBE.decode(entry.body) for entry in stage.entries(Kind.PROBE)]
    return [(stage.name(o.node), o.right) for record in found for o in record.outcomes]


def answered(panel: Panel, answers: dict[str, str], count: int) -> None:
    """Let the owners of a probe answer until it is over."""
    for _ in range(30):
        if len(panel.stage.told(TaskEnded)) >= count:
            return
        panel.bid()
        for name, work in panel.works()[:1]:
            panel.answer(name, work, answers.get(name, "Answer: 42"), task=panel_task(panel))
    raise AssertionError("the probe did not end")


def panel_task(panel: Panel) -> bytes:
    return TASK.decode(panel.stage.entries(Kind.TASK)[-1].body).task


def test_outcomes_are_written_down_later_and_together() -> None:
    panel = Panel("ada bob cid")
    stage = panel.stage
    for number in range(2):
        stage.give(probe(number))
        answered(panel, {"ada": "Answer: 42", "bob": "Answer: 41", "cid": "no idea"}, number + 1)
        assert stage.entries(Kind.PROBE) == []
        stage.wait(limits.PROBE_EVERY_MS)
    assert stage.of(KeepReceipt) == [], "nobody waits for it"
    stage.wait(limits.PROBE_FLUSH_MS)
    assert len(stage.entries(Kind.PROBE)) == 1
    assert set(outcomes(stage)) <= {("ada", True), ("bob", False), ("cid", False)}
    assert len(outcomes(stage)) >= 4
    assert len(stage.entries(Kind.VERDICT)) == 2
    assert VERDICT.decode(stage.entries(Kind.VERDICT)[0].body).outcome in ("answered", "failed")


def test_elections_learn_from_outcomes_and_a_restart_learns_the_same() -> None:
    """Two that agree on a wrong answer look right to each other until the outcomes come."""
    panel = Panel("ada bob cid")
    stage = panel.stage
    stage.give(probe())
    answered(panel, {"bob": "Answer: 41", "cid": "Answer: 41"}, 1)
    learned = stage.swarm.experience
    before = skills(learned)
    stage.wait(limits.PROBE_EVERY_MS + limits.PROBE_FLUSH_MS)
    after = skills(learned)
    graded = [stage.peers[name].id for name, _ in outcomes(stage)]
    assert set(graded) == {key[0][0] for key in after}
    for key, (right, wrong, at) in after.items():
        ada = key[0][0] == stage.peers["ada"].id
        was = before.get(key, (0, 0, at))
        assert right > was[0] if ada else wrong > was[1]
    again = Experience()
    written = [entry for kind in LEARNED_FROM for entry in stage.entries(kind)]
    again.learn(sorted(written, key=lambda entry: entry.seq))
    assert skills(again) == after


def skills(learned: Experience) -> dict[Any, Any]:
    return {key: (s.right, s.wrong, s.at) for key, s in learned._skills.items()}


def test_an_owner_sees_a_task_like_any_other() -> None:
    asked, real = Panel("ada bob cid"), Panel("ada bob cid")
    asked.stage.give(probe(ord("t")))
    real.stage.submit(chains=3, rule="majority")
    orders = []
    for panel in (asked, real):
        panel.bid()
        orders.append([work.order for name, work in panel.works()])
        assert all(isinstance(work, Work) for _, work in panel.works())
    assert orders[0] == orders[1]
    records = [TASK.decode(panel.stage.entries(Kind.TASK)[0].body) for panel in (asked, real)]
    assert records[0] == records[1]


def test_the_rate_is_bounded_and_users_come_first() -> None:
    panel = Panel("ada bob cid")
    panel.stage.submit(chains=1)
    panel.stage.give(probe(1))
    assert len(panel.stage.entries(Kind.TASK)) == 1, "a user waits"
    panel = Panel("ada bob cid")
    panel.stage.give(probe(1))
    panel.stage.give(probe(2))
    assert len(panel.stage.entries(Kind.TASK)) == 1, "one a minute"


def test_nobody_probes_itself() -> None:
    stage = Stage(capability())
    stage.give(probe())
    assert stage.entries(Kind.TASK) == []


@pytest.mark.parametrize("family", families.FAMILIES, ids=lambda family: family.__name__)
def test_families_have_exact_answers_and_do_not_repeat(family) -> None:
    random = Random(1)
    made = [family(random) for _ in range(40)]
    assert len({known.prompt for known in made}) > 30
    for known in made:
        said = extract(f"Answer: {known.answer}", known.type)
        assert said is not None
        assert canonical(said, known.type) == canonical(known.answer, known.type)


def test_what_a_gym_draws_is_a_whole_number() -> None:
    pytest.importorskip("reasoning_gym", reason="the extra `probes` is not installed")
    random = Random(3)
    made = [families._from_gym(random) for _ in range(5)]
    assert all(known is not None and int(known.answer) is not None for known in made)


def test_the_edge_asks_as_a_user_would() -> None:
    known = Known(prompt="Is it?", answer="true", type="boolean", skill="logic")
    asked = ask(known)
    assert (asked.spec.prompt, asked.spec.skill, asked.answer) == ("Is it?", "logic", "true")
    assert (asked.spec.rule, asked.spec.selection, asked.spec.chains) == ("auto", "learned", 3)
    drawn = [chosen([known], Random(seed)) for seed in range(20)]
    assert known in drawn
    assert any(other != known for other in drawn)


async def test_the_pauses_are_those_that_were_asked_for(autojump_clock) -> None:
    import trio

    times: list[float] = []

    async def feed(_: object) -> None:
        await trio.lowlevel.checkpoint()
        times.append(trio.current_time())

    began = trio.current_time()
    with trio.move_on_after(20 * 3600):
        await probe_others((), 2.0, feed, Random(1))
    assert 30 <= len(times) <= 50
    assert times[0] - began >= 900, "not at once"
    await probe_others((), 0, feed)
