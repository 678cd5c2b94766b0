"""What a user asked for, checked against the bounds of the protocol before anything is written.

Everything that a task later puts on the wire is tried here once: the task's record, the largest
order, the requirement. So a task that is accepted can't fail on a frame that nobody can read.
"""

from __future__ import annotations

from ledger.errors import DecodeError
from symphony.core import limits
from symphony.core.ids import salted_digest, schema_digest
from symphony.core.inputs import Submit
from symphony.core.messages import ORDER, Order
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.records import TASK, Requirement, TaskRecord
from symphony.core.wire import Codec

_REQUIREMENT: Codec[Requirement] = Codec(Requirement, max_bytes=limits.MAX_FRAME_BYTES)


def task_record(submit: Submit) -> TaskRecord | str:
    """The record to write down, or what is out of bounds."""
    try:
        return _checked(submit)
    except DecodeError as error:
        return error.message
    except ValueError:  # lone surrogates have no bytes
        return "a text of the task is not valid Unicode"


def _checked(submit: Submit) -> TaskRecord:
    spec = submit.spec
    assert spec.rule != "auto", "the conductor resolves it first"
    if spec.durable and spec.privacy == "local":
        raise DecodeError("a task that may not leave this node can't be durable")
    prompt = spec.prompt.encode()
    if len(prompt) > limits.MAX_PROMPT_BYTES:
        raise DecodeError(f"a prompt of {len(prompt)} bytes, at most {limits.MAX_PROMPT_BYTES}")
    record = TaskRecord(
        task=submit.task,
        prompt=salted_digest("prompt", submit.salt, prompt),
        chains=spec.chains,
        rule=spec.rule,
        alpha=spec.alpha_ppm,
        selection=spec.selection,
        planning=spec.planning,
        answer_type=spec.answer_type,
        privacy=spec.privacy,
        budget_tokens=spec.budget_tokens,
        deadline_ms=spec.deadline_ms,
        choices=spec.choices,
        max_tokens=spec.max_tokens,
        schema=schema_digest(submit.salt, spec.answer_schema),
        skill=spec.skill or None,
    )
    order = Order(
        role="solve",
        question=spec.prompt,
        answer_type=spec.answer_type,
        choices=spec.choices,
        answer_schema=spec.answer_schema,
        max_tokens=spec.max_tokens,
    )
    requirement = Requirement("solve", spec.skill or DIRECT_SKILL, spec.privacy, 0)
    TASK.decode(TASK.encode(record))
    ORDER.decode(ORDER.encode(order))
    _REQUIREMENT.decode(_REQUIREMENT.encode(requirement))
    return record
