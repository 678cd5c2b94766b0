"""What a user may ask for: every bound at its edge, and nothing written when it is passed."""

import pytest
from core_stage import Stage, capability

from ledger import Kind
from symphony.core import limits
from symphony.core.events import TaskEnded


@pytest.mark.parametrize(
    "spec",
    [
        {"chains": 0},
        {"chains": limits.MAX_CHAINS + 1},
        {"deadline_ms": 0},
        {"deadline_ms": limits.MAX_DEADLINE_MS + 1},
        {"prompt": "x" * (limits.MAX_PROMPT_BYTES + 1)},
        {"prompt": ""},
        {"prompt": "a lone \ud800 surrogate"},
        {"skill": "x" * (limits.MAX_SKILL_CHARS + 1)},
        {"max_tokens": 0},
        {"choices": ("a",) * 65, "answer_type": "choice"},
        {"budget_tokens": -1},
    ],
)
def test_a_task_out_of_bounds_is_refused_before_anything_is_written(spec):
    stage = Stage(capability())
    stage.submit(**spec)
    (ended,) = stage.told(TaskEnded)
    assert (ended.outcome, ended.error) == ("failed", "usage")
    assert ended.message
    assert not stage.entries(Kind.TASK)


@pytest.mark.parametrize(
    "spec",
    [
        {"chains": limits.MAX_CHAINS},
        {"deadline_ms": 1},
        {"deadline_ms": limits.MAX_DEADLINE_MS},
        {"prompt": "x" * limits.MAX_PROMPT_BYTES},
        {"skill": "x" * limits.MAX_SKILL_CHARS},
        {"choices": ("a",) * 64, "answer_type": "choice"},
    ],
)
def test_a_task_at_its_bounds_is_accepted(spec):
    stage = Stage(capability(context_tokens=2**20))
    stage.submit(**spec)
    assert stage.entries(Kind.TASK)
