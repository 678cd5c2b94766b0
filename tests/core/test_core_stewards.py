"""Durable tasks: a conductor that is lost for good, and what becomes of its tasks."""

from dataclasses import replace
from functools import lru_cache

import pytest
from core_stage import TASK, Stage, capability
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_core_worker import finish, give, stage_with, work_for

from ledger import Kind, parse_entry
from symphony.core import limits
from symphony.core.effects import Reject, StartWork
from symphony.core.events import TaskEnded
from symphony.core.messages import Done, Entrust, Entrusted, Refused
from symphony.core.records import TASK as TASK_CODEC
from symphony.core.records import TaskRecord
from symphony.core.spec import TaskSpec
from symphony.core.stewards.inherited import inherited
from symphony.core.stewards.line import may_award, next_epoch, rank
from symphony.core.tasks.notes import (
    NOTE,
    ChainTurned,
    EntryKept,
    EvidenceKept,
    ResultKept,
    TaskBegun,
)
from symphony.core.tasks.remains import Lost
from symphony.testing import NodeScript, Scenario, TaskScript, run_seed
from symphony.testing.engines import AgentScript
from symphony.testing.faults import Action, Crash, Lose, Pause, Split
from symphony.testing.sim import World

NODES = tuple(
    NodeScript(
        (
            AgentScript("solver", ("solve",), ("math",), "smol", latency_ms=600, right=1.0),
            AgentScript("planner", ("plan",), ("planning",), "qwen", latency_ms=700),
        )
    )
    for _ in range(5)
)
SPEC = TaskSpec("What is 6 x 7?", chains=2, deadline_ms=90_000, durable=True)
AT_MS = 1_500


def run(*actions: Action, spec=SPEC, faults_ms=40_000, seed=1):
    script = TaskScript(AT_MS, 0, spec)
    kinds = frozenset({"durable"})
    return run_seed(
        Scenario(seed, NODES, (script,), actions=actions, kinds=kinds, faults_ms=faults_ms)
    )


# --- the line ---------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.sampled_from([0, 1, 2]))
def test_epochs_grow_and_those_of_two_places_never_meet(highest, place):
    epoch = next_epoch(highest, place)
    assert epoch > highest
    assert [p for p in range(3) if may_award(p, epoch)] == [place]
    assert epoch - highest <= 3 or highest < place * limits.EPOCHS_PER_PLACE


def test_of_two_verdicts_one_counts_and_an_answer_of_the_conductor_is_final():
    told = [("expired", 0), ("answered", 2), ("not_certified", 0), ("answered", 1)]
    assert min(told, key=lambda said: rank(*said)) == ("answered", 1)
    best = rank("answered", 0)
    outcomes = ("answered", "not_certified", "failed", "expired", "cancelled")
    others = [rank(outcome, place) for outcome in outcomes for place in (1, 2)]
    assert all(best < other for other in others)


# --- losing conductors ------------------------------------------------------------------------


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(20, 4_000),
    st.sampled_from(("always", "never")),
    st.integers(0, 1_000),
)
def test_a_conductor_lost_at_any_time_costs_no_answer(after_ms, planning, seed):
    spec = replace(SPEC, planning=planning)
    report = run(Lose(AT_MS + after_ms, 0), spec=spec, seed=seed)
    assert report.violations == ()
    assert report.counts["tasks answered"] >= 1
    assert report.marks >= {"conductor lost for good", "task taken over"} or (
        "conductor lost for good" not in report.marks
    )


def test_the_second_steward_takes_over_when_the_first_is_lost_too():
    world = World(Scenario(1, NODES, (TaskScript(AT_MS, 0, SPEC),), faults_ms=60_000))
    line = []

    def look() -> None:
        task = next(iter(world.checks.tasks))
        charge = world.machines[0].swarm.conductor.stewarding.keeping.charge(task)
        line.extend(world.index_of[node] for node in charge.line)

    world.at(AT_MS + 300, look)
    first = run(Lose(AT_MS + 400, 0))
    world.run()
    both = run(Lose(AT_MS + 400, 0), Lose(AT_MS + 25_000, line[1]), faults_ms=60_000)
    assert first.violations == both.violations == ()
    assert both.counts["tasks answered"] == 1


@pytest.mark.parametrize(
    "absence",
    [
        Split(AT_MS + 300, frozenset({0}), True, 27_000),
        Split(AT_MS + 300, frozenset({0}), True, 27_000, noticed=False),
        Pause(AT_MS + 300, 0, 27_000),
        Crash(AT_MS + 300, 0, 27_000),
    ],
    ids=["cut off", "cut off unnoticed", "paused", "restarted"],
)
def test_a_conductor_that_comes_back_and_its_steward_agree(absence):
    """Slow solvers, so that the task is under way all the time."""
    slow = tuple(
        replace(node, agents=(replace(node.agents[0], latency_ms=9_000, concurrency=1),))
        for node in NODES
    )
    spec = replace(SPEC, chains=5, planning="never", deadline_ms=120_000)
    kinds = frozenset({"durable", "partition", "pause", "crash"})
    script = TaskScript(AT_MS, 0, spec)
    world = World(Scenario(3, slow, (script,), actions=(absence,), kinds=kinds, faults_ms=60_000))
    report = world.run()
    assert report.violations == ()
    assert report.marks >= {"task taken over", "stepped back"}
    (watch,) = world.checks.tasks.values()
    assert 0 in watch.ended_at  # who waits at the conductor is told, too
    assert {event.outcome for event in watch.ended} == {"answered"}
    assert len(watch.verdicts) == 1


def test_a_task_that_did_not_ask_for_stewards_costs_nothing():
    plain = run(spec=replace(SPEC, durable=False))
    assert not [kind for kind in plain.counts if "entrust" in kind or "tending" in kind]
    asked = run()
    assert asked.counts["sent entrust"] > 0
    for kind in ("beacon", "work", "done"):
        assert asked.counts[f"sent {kind}"] <= 2 * plain.counts[f"sent {kind}"]


@pytest.mark.parametrize(
    ("peers", "privacy", "error"), [("", "swarm", "no_bids"), ("ada bob", "local", "usage")]
)
def test_what_nobody_can_keep_is_refused(peers, privacy, error):
    stage = Stage(capability(), peers=peers)
    stage.submit(durable=True, privacy=privacy)
    assert [event.error for event in stage.told(TaskEnded)] == [error]
    assert not stage.entries(Kind.TASK)


# --- what is believed -------------------------------------------------------------------------


@lru_cache(maxsize=1)
def entrusted():
    """A world whose steward holds boxes of a task under way; its charge, and what lies in them."""
    world = World(Scenario(1, NODES, (TaskScript(AT_MS, 0, SPEC),), faults_ms=60_000))
    found = []

    def look() -> None:
        task = next(iter(world.checks.tasks))
        for machine in world.machines[1:]:
            charge = machine.swarm.conductor.stewarding.keeping.charge(task)
            if charge is not None and charge.place == 1:
                _, boxes = charge.best()
                notes = world.boxes.open_all(machine.box, task, boxes)
                found.append((replace(charge), machine, notes))

    world.at(AT_MS + 1_900, look)
    world.run()
    return world, *found[0]


def believe(notes):
    """What the steward makes of these notes: a run, or an exception."""
    world, charge, _, _ = entrusted()
    return inherited(charge, notes, world.swarm_id, world.keys.verify)


def test_what_was_entrusted_is_enough_to_go_on():
    _, _, _, notes = entrusted()
    remains = believe(notes)
    kinds = {type(note) for note in remains.notes}
    assert kinds >= {TaskBegun, ResultKept, EntryKept}
    assert remains.awards()


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        (TaskBegun, {"spec": replace(SPEC, prompt="Another?", rule="match")}, "what was asked"),
        (TaskBegun, {"spec": replace(SPEC, chains=9, rule="match")}, "what was asked"),
        (TaskBegun, {"spec": SPEC}, "what was asked"),
        (TaskBegun, {"boxes": (b"",)}, "the keys"),
        (TaskBegun, {"secret": b"x" * 16}, "the output"),
        (ResultKept, {"output": "Another."}, "the output"),
        (EntryKept, {"entry": bytes(90)}, "a note"),
    ],
)
def test_a_list_that_does_not_fit_the_signed_entries_is_worthless(kind, fields, text):
    _, _, _, notes = entrusted()
    at = next(index for index, note in enumerate(notes) if isinstance(NOTE.decode(note), kind))
    bad = NOTE.encode(replace(NOTE.decode(notes[at]), **fields))
    with pytest.raises(Lost, match=text):
        believe([*notes[:at], bad, *notes[at + 1 :]])


@pytest.mark.parametrize("more", [b"junk", NOTE.encode(ChainTurned(9, ""))])
def test_a_note_that_no_conductor_writes_spoils_the_list(more):
    _, _, _, notes = entrusted()
    with pytest.raises(Lost):
        believe([*notes, more])


def test_the_evidence_of_a_verdict_comes_with_it():
    """A steward that tells again how a task ended weighs by what the verdict cites."""
    _, charge, machine, notes = entrusted()
    [(_, verdict)] = machine.disk.store.by_kind(Kind.VERDICT, after_rowid=0, limit=9)
    remains = believe([*notes, NOTE.encode(EvidenceKept((verdict.encode(),)))])
    assert remains.evidence() == [verdict]
    with pytest.raises(Lost, match="evidence that is none"):
        believe([*notes, NOTE.encode(EvidenceKept((charge.entry,)))])
    forged = replace(verdict, signature=bytes(64))
    with pytest.raises(Lost, match="a note of it"):
        believe([*notes, NOTE.encode(EvidenceKept((forged.encode(),)))])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_a_steward_is_given_it_never_breaks(data):
    """Notes that are left out, repeated, out of order, or touched."""
    world, _, machine, notes = entrusted()
    order = data.draw(st.lists(st.integers(0, len(notes) - 1), max_size=len(notes)))
    mixed = [notes[0], *(notes[index] for index in order)]
    if data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(mixed) - 1))
        at = data.draw(st.integers(0, len(mixed[index]) - 1))
        raw = mixed[index]
        mixed[index] = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    swarm = machine._new_swarm(world.random)
    try:
        swarm.conductor.take_over(believe(mixed))
    except Lost:
        return
    assert len(swarm.conductor) <= 1


# --- who may give work ------------------------------------------------------------------------


def shown(stage, origin, stewards, task=TASK):
    """The task entry of `origin` that names these stewards."""
    record = TaskRecord(
        task=task,
        prompt=bytes(32),
        chains=1,
        rule="match",
        selection="match",
        planning="never",
        answer_type="text",
        privacy="swarm",
        budget_tokens=1,
        deadline_ms=1,
        stewards=tuple(stage.peers[name].id for name in stewards),
    )
    return stage.peers[origin].entry(Kind.TASK, TASK_CODEC.encode(record), stage.now_ms).encode()


def started(stage):
    return [effect.epoch for effect in stage.of(StartWork)]


def test_a_steward_gives_work_with_the_entry_that_names_it():
    stage = stage_with(peers="ada bob")
    give(stage, "ada", work_for(stage, "ada", epoch=3))
    taken = replace(work_for(stage, "bob", epoch=3_001), task=shown(stage, "ada", ["bob"]))
    give(stage, "bob", taken)
    assert started(stage) == [3, 3_001]
    give(stage, "ada", work_for(stage, "ada", epoch=6))
    assert stage.sent("ada", Refused)[-1].reason == "a newer award of this unit is known"


def test_a_steward_hands_the_conductors_award_on_and_gets_the_result():
    stage = stage_with(peers="ada bob")
    work = work_for(stage, "ada", epoch=3)
    give(stage, "ada", work)
    handed_on = replace(work, task=shown(stage, "ada", ["bob"]))
    give(stage, "bob", handed_on)
    finish(stage, work)
    assert started(stage) == [3]
    assert stage.sent("bob", Done)
    assert not stage.sent("ada", Done)
    give(stage, "ada", work)
    assert stage.sent("ada", Done) == stage.sent("bob", Done)


@pytest.mark.parametrize(
    ("epoch", "origin", "stewards", "task", "why"),
    [
        (3_001, "ada", ["eve"], TASK, "the award is not by the sender"),
        (3_002, "ada", ["bob"], TASK, "the award has an epoch that is not its author's"),
        (3, "ada", ["bob"], TASK, "the award has an epoch that is not its author's"),
        (3_001, "ada", ["bob"], b"o" * 16, "the award is for another task"),
    ],
)
def test_nobody_else_can_give_work_of_a_task(epoch, origin, stewards, task, why):
    stage = stage_with(peers="ada bob eve")
    give(stage, "ada", work_for(stage, "ada", epoch=3))
    named = shown(stage, origin, stewards, task)
    give(stage, "bob", replace(work_for(stage, "bob", epoch=epoch), task=named))
    assert stage.sent("bob", Refused)[-1].reason == why
    assert started(stage) == [3]


def test_a_stranger_that_names_itself_fences_nobody_off():
    """Its own entry of the same task id is another task, of another conductor."""
    stage = stage_with(concurrency=2, peers="ada eve bob")
    give(stage, "ada", work_for(stage, "ada", epoch=3))
    named = shown(stage, "eve", ["bob"])
    give(stage, "bob", replace(work_for(stage, "bob", epoch=3_001), task=named))
    assert stage.sent("bob", Refused)[-1].reason == "this unit is another conductor's"


def test_what_is_entrusted_is_bounded_and_only_by_one_in_line():
    stage = stage_with(peers="ada bob")
    entry = shown(stage, "ada", ["bob"])
    stage.heard("ada", Entrust(TASK, 1, 1, 60_000, entry, b"box" * 20))
    assert [reject.peer for reject in stage.of(Reject)] == [stage.peers["ada"].id]
    assert not stage.sent("ada", Entrusted)
    mine = TASK_CODEC.encode(
        replace(TASK_CODEC.decode(parse_entry(entry).body), stewards=(stage.me,))
    )
    named = stage.peers["ada"].entry(Kind.TASK, mine, stage.now_ms).encode()
    for number in (1, 3, 2, 2):
        stage.heard("ada", Entrust(TASK, 1, number, 60_000, named, b"box" * 20))
    assert [word.count for word in stage.sent("ada", Entrusted)] == [1, 1, 2, 2]
    stage.heard("bob", Entrust(TASK, 1, 1, 60_000, named, b"box"))
    assert stage.of(Reject)[-1].peer == stage.peers["bob"].id


def test_no_conductor_takes_all_the_room(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CHARGES_OF_ONE", 2)
    monkeypatch.setattr(limits, "MAX_CHARGE_BYTES", 100)
    stage = stage_with(peers="ada bob")
    record = TASK_CODEC.decode(parse_entry(shown(stage, "ada", [])).body)

    def entrust(name, task, number=1) -> Entrusted:
        mine = replace(record, task=task, stewards=(stage.me,))
        entry = stage.peers[name].entry(Kind.TASK, TASK_CODEC.encode(mine), stage.now_ms)
        stage.heard(name, Entrust(task, 1, number, 60_000, entry.encode(), b"box" * 20))
        return stage.sent(name, Entrusted)[-1]

    assert [entrust("ada", bytes([n]) * 16).full for n in range(3)] == [False, False, True]
    assert not entrust("bob", b"9" * 16).full
    assert entrust("bob", b"9" * 16, number=2).full
