"""An output that says nothing is a failure of its owner, whoever finds it: the next one's turn."""

import pytest
from core_stage import Stage, capability
from hypothesis import given
from hypothesis import strategies as st

from ledger import Kind
from symphony.core.answers import extract, is_empty
from symphony.core.effects import Reject
from symphony.core.events import FailedOver, TaskEnded
from symphony.core.messages import Work
from symphony.core.records import AWARD, RESULT

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
    assert stage.of(Reject)[-1].reason == "result: its output is empty"
    again = AWARD.decode(stage.entries(Kind.AWARD)[-1].body).awards[0]
    assert (again.epoch, again.lapse) == (2, "junk")
    assert again.owner != stage.peers[first].id


@given(st.text(alphabet=" \n\t\u200b\u200d\x00\x85\xa0a1é", max_size=6))
def test_what_is_empty_never_holds_an_answer(output):
    kinds = ("number", "boolean", "json", "expression")
    assert is_empty(output) == (not any(char in "a1é" for char in output))
    assert not is_empty(output) or all(extract(output, kind) is None for kind in kinds)
