"""Probes: ordinary tasks to everybody else; their outcomes are written down later, together."""

import json
from dataclasses import replace
from random import Random
from typing import Any, cast

import pytest
from core_stage import TASK as TASK_ID
from core_stage import Stage, capability
from core_votes import Panel

from ledger import Kind
from symphony.client import wire
from symphony.core import limits
from symphony.core.beacon.experience import LEARNED_FROM, Experience
from symphony.core.effects import KeepReceipt, Send
from symphony.core.events import TaskEnded
from symphony.core.ids import TaskId
from symphony.core.inputs import Heard, Probe, Submit
from symphony.core.messages import Entries, Work
from symphony.core.records import AWARD, PROBE, TASK, VERDICT
from symphony.core.spec import TaskSpec
from symphony.core.votes.answers import canonical, extract
from symphony.gateway.task_models import TaskBody
from symphony.manifests import families
from symphony.manifests.probes import Probe as Known
from symphony.node.prober import ask, chosen, probe_others

SPEC = TaskSpec("What is 6 x 7?", planning="never", answer_type="number", rule="majority")


def probe(number: int = 0, **changes: Any) -> Probe:
    answer = changes.get("answer", "42")
    return Probe(TaskId(bytes([number]) * 16), b"s" * 16, SPEC, answer, "number")


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


def test_each_entry_gathers_for_longer_than_the_one_before() -> None:
    panel = Panel("ada bob cid")
    stage = panel.stage
    for number, patience in enumerate((1, 2, 4)):
        stage.give(probe(number))
        answered(panel, {}, number + 1)
        stage.wait(patience * limits.PROBE_FLUSH_MS - limits.PROBE_EVERY_MS)
        assert len(stage.entries(Kind.PROBE)) == number
        stage.wait(2 * limits.PROBE_EVERY_MS)
        assert len(stage.entries(Kind.PROBE)) == number + 1


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


KNOWN = Known(prompt="What is 6 x 7?", answer="42", type="number", skill="math.arithmetic")
FORMAL, IN_WORDS = ask(KNOWN, Random(0)), ask(KNOWN, Random(1))
PLAN = json.dumps(
    {
        "steps": [
            {"id": "s1", "question": "How many are 6 and 6?", "needs": [], "skill": "math"},
            {"id": "s2", "question": "How many is that in all?", "needs": ["s1"], "skill": "math"},
        ]
    }
)
ROLES = {"without a planner": ("solve",), "planned": ("plan", "solve")}
READ = {Kind.TASK: TASK, Kind.AWARD: AWARD, Kind.VERDICT: VERDICT}


def users_spec(asked: Probe) -> TaskSpec:
    """The task of a user who asks the same and gives no option, by the SDK and the gateway."""
    spec, given = asked.spec, dict[str, Any]()
    if spec.answer_type != "text":
        given["answer_type"] = spec.answer_type
    if spec.choices:
        given["choices"] = list(spec.choices)
    body = wire.submission(spec.prompt, None, cast("wire.TaskOptions", given)).body
    return TaskBody.model_validate_json(json.dumps(body)).spec()


def played(happened: Probe | Submit, roles: tuple[Any, ...]) -> Panel:
    """A whole task, under the same id and salts, with owners that answer always the same."""
    panel = Panel("ada bob cid dan")
    stage = panel.stage
    for name, peer in stage.peers.items():
        entry = stage.capabilities[name] = peer.declare(capability(roles=roles))
        stage.give(Heard(peer.id, Entries((entry.encode(),))))
    stage.effects.clear()
    stage.give(replace(happened, task=TASK_ID, salt=b"s" * 16))
    for _ in range(60):
        panel.bid()
        for name, work in panel.works()[:1]:
            said = "12" if not work.order.final else "Answer: 41" if name == "ada" else "Answer: 42"
            panel.answer(name, work, PLAN if work.order.role == "plan" else said)
        stage.wait(30)
        if stage.told(TaskEnded):
            stage.wait(limits.PUBLISH_EVERY_MS)
            return panel
    raise AssertionError("the task did not end")


@pytest.mark.parametrize("asked", [FORMAL, IN_WORDS], ids=["a number", "in words"])
@pytest.mark.parametrize("roles", ROLES.values(), ids=ROLES)
def test_owners_and_readers_of_the_ledger_see_a_task_like_any_other(roles, asked) -> None:
    """Everything that leaves the node, and when, is the same to the byte: beacons, awards, orders,
    entries, timers. Only the receipt, which never leaves it unasked, is not kept.
    """
    users = Submit(asked.task, asked.salt, users_spec(asked))
    both = [played(each, roles) for each in (asked, users)]
    for kind, codec in READ.items():
        records = [[codec.decode(e.body) for e in panel.stage.entries(kind)] for panel in both]
        assert records[0] == records[1]
    sent = [[e for e in panel.stage.effects if isinstance(e, Send)] for panel in both]
    assert sent[0] == sent[1]
    assert any(isinstance(e.message, Work) and e.message.order.final for e in sent[0])
    rest = [[e for e in p.stage.effects if not isinstance(e, KeepReceipt)] for p in both]
    assert rest[0] == rest[1]
    planned = any(isinstance(e.message, Work) and e.message.order.role == "plan" for e in sent[0])
    assert planned == ("plan" in roles)


@pytest.mark.parametrize("form", ["number", "boolean", "choice", "text", "expression"])
def test_a_probe_is_asked_with_the_options_of_a_user_who_gives_none(form) -> None:
    answer = {"boolean": "true", "choice": "a"}.get(form, "1")
    choices = ("a", "b") if form == "choice" else ()
    known = Known(prompt="Is it?", answer=answer, type=form, choices=choices, skill="logic")
    drawn = [ask(known, Random(seed)) for seed in range(20)]
    assert all(asked.spec == users_spec(asked) for asked in drawn)
    assert all((asked.answer, asked.form) == (answer, form) for asked in drawn)
    formal = TaskSpec("Is it?", answer_type=form, choices=choices)
    others = [asked.spec for asked in drawn if asked.spec != formal]
    assert len(others) < len(drawn)
    assert bool(others) == (form in ("number", "boolean"))
    assert all(spec == TaskSpec(spec.prompt) for spec in others)
    assert all(spec.prompt.startswith("Is it? ") for spec in others)


def test_a_generated_probe_has_no_options_either() -> None:
    for seed in range(20):
        known = families.generated(Random(seed), gym=False)
        asked = ask(known, Random(seed))
        assert asked.spec == TaskSpec(asked.spec.prompt, answer_type=asked.spec.answer_type)


@pytest.mark.parametrize("asked", [FORMAL, IN_WORDS], ids=["a number", "in words"])
def test_the_owner_of_a_planned_probes_last_step_is_graded(asked) -> None:
    assert asked.spec.answer_type == ("number" if asked is FORMAL else "text")
    panel = played(asked, ROLES["planned"])
    stage = panel.stage
    voted = VERDICT.decode(stage.entries(Kind.VERDICT)[0].body).ballots
    assert len(voted) >= 2
    stage.wait(limits.PROBE_FLUSH_MS + limits.PROBE_EVERY_MS)
    owners = [(stage.name(ballot.owner), ballot.agent) for ballot in voted]
    assert sorted(outcomes(stage)) == sorted((name, name != "ada") for name, _ in owners)


def test_a_probe_that_cost_much_makes_the_next_one_wait() -> None:
    panel = Panel("ada bob cid")
    stage = panel.stage
    began_ms = stage.now_ms
    stage.give(replace(probe(1), spec=replace(SPEC, max_tokens=6_000)))
    panel.bid()
    for name, work in panel.works():
        panel.answer(name, work, "Answer: 42", task=panel_task(panel), completion_tokens=5_000)
    stage.wait(1)
    cost = VERDICT.decode(stage.entries(Kind.VERDICT)[0].body).tokens
    assert cost >= 10_000
    rest_ms = cost * limits.PROBE_EVERY_MS // limits.PROBE_TOKENS
    stage.wait(began_ms + rest_ms - 1 - stage.now_ms)
    stage.give(probe(2))
    assert len(stage.entries(Kind.TASK)) == 1
    stage.wait(rest_ms)  # at the most as long again, for the owner that was stopped
    stage.give(probe(2))
    assert len(stage.entries(Kind.TASK)) == 2


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


def test_half_of_the_questions_are_generated() -> None:
    drawn = [chosen([KNOWN], Random(seed)) for seed in range(20)]
    assert KNOWN in drawn
    assert any(other != KNOWN for other in drawn)


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
