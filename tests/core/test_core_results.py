"""An output that says nothing is a failure of its owner, whoever finds it: the next one's turn."""

from dataclasses import replace

import pytest
from core_stage import Stage, capability
from hypothesis import given
from hypothesis import strategies as st
from test_core_worker import ORDER, work_for

from ledger import Kind
from symphony.core.effects import Reject
from symphony.core.events import FailedOver, TaskEnded
from symphony.core.inputs import WorkDone
from symphony.core.messages import Done, Work
from symphony.core.owner.results import unusable
from symphony.core.records import AWARD, RESULT
from symphony.core.votes.answers import extract, is_empty
from symphony.core.votes.comparison import comparisons_in

NOTHING = ("", " \n\t", "\u200b\ufeff", "\x00\x07")


@pytest.mark.parametrize("output", [*NOTHING, "\ud800"])
def test_our_own_model_said_nothing(output):
    stage = Stage(capability())
    stage.submit()
    stage.finish(output)
    (failed,) = (RESULT.decode(entry.body) for entry in stage.entries(Kind.RESULT))
    assert (failed.status, failed.completion_tokens) == ("failed", 0)
    assert failed.reason.startswith("empty_output: ")
    stage.finish("Answer: 42")
    assert stage.told(FailedOver)[0].reason == failed.reason
    again = AWARD.decode(stage.entries(Kind.AWARD)[-1].body).awards[0]
    assert (again.epoch, again.lapse) == (2, "failed")
    assert stage.told(TaskEnded)[0].answer == "42"


@pytest.mark.parametrize("output", NOTHING)
def test_an_owner_that_calls_nothing_a_result_sent_junk(output):
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.bid("bob")
    first = next(name for name in stage.peers if stage.sent(name, Work))
    stage.done(first, output)
    assert stage.of(Reject)[-1].reason.startswith("result: called ok, but empty_output: ")
    again = AWARD.decode(stage.entries(Kind.AWARD)[-1].body).awards[0]
    assert (again.epoch, again.lapse) == (2, "junk")
    assert again.owner != stage.peers[first].id


@pytest.mark.parametrize("output", ["Answer: 42", "first", "first\nthird", "tie\ntie\n", " "])
def test_our_own_judge_named_no_places(output):
    """Found by the simulator: a copier's words for an answer made its conductor reject it."""
    stage = Stage(capability(), peers="ada")
    work = replace(work_for(stage, "ada", "judge/0/0-1"), order=replace(ORDER, role="judge"))
    stage.heard("ada", work)
    stage.give(WorkDone(work.unit, 1, output, "m", "e", 1, 1, 1))
    (failed,) = (RESULT.decode(entry.body) for entry in stage.entries(Kind.RESULT))
    assert (failed.status, failed.reason) == ("failed", unusable("judge", output))
    assert failed.reason.split(":")[0] in ("empty_output", "no_preference")
    assert stage.sent("ada", Done)[0].output == ""


@given(st.lists(st.sampled_from(["first", "second", "tie", "Tie", ""]), max_size=3))
def test_a_judge_is_of_use_exactly_if_its_words_can_be_counted(words):
    output = "\n".join(words)
    assert bool(unusable("judge", output)) != bool(comparisons_in("judge/0/0-1", output, "j", "n"))


@given(st.text(alphabet=" \n\t\u200b\u200d\x00\x85\xa0a1é", max_size=6))
def test_what_is_empty_never_holds_an_answer(output):
    kinds = ("number", "boolean", "json", "expression")
    assert is_empty(output) == (not any(char in "a1é" for char in output))
    assert not is_empty(output) or all(extract(output, kind) is None for kind in kinds)
