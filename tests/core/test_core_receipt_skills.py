"""Direct steps are called for with the task's skill, all of them: what they weigh goes by that."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from core_forging import forged
from core_votes import Panel, verdict_of

from ledger import Kind, parse_entry
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.receipts.receipt import RECEIPT
from symphony.core.records import TASK, AwardRecord
from symphony.errors import ReceiptInvalid

LEFT, NEAR, RIGHT = (bytes([x, y] + [0] * 382) for x, y in ((100, 0), (100, 3), (0, 100)))


def ended(**spec: Any) -> tuple[Panel, bytes]:
    panel = Panel("ada bob cid dan eva")
    return panel, panel.run({"ada": "42"}, **{"rule": "match", "chains": 3, **spec})


def wanting(chain: int, **changes: Any) -> Callable[[AwardRecord], AwardRecord]:
    """The awards of one chain's step, called for otherwise. The words stay the same."""

    def change(record: AwardRecord) -> AwardRecord:
        awards = (
            replace(a, requirement=replace(a.requirement, **changes))
            if a.name == f"step/{chain}/s1"
            else a
            for a in record.awards
        )
        return replace(record, awards=tuple(awards))

    return change


def refusal(panel: Panel, data: bytes) -> str:
    with pytest.raises(ReceiptInvalid) as caught:
        panel.verified(data)
    return caught.value.message


@pytest.mark.parametrize("skill", ["", "numbers of things"])
def test_the_task_entry_says_what_direct_steps_are_called_for_with(skill: str) -> None:
    panel, data = ended(skill=skill)
    assert panel.verified(data).outcome == "answered"
    task = TASK.decode(parse_entry(RECEIPT.decode(data).entries[0]).body or b"")
    assert task.skill == (skill or None)
    forgery = forged(panel.stage, data, Kind.TASK, lambda r: replace(r, skill="cooking"))
    assert "another skill than the task's" in refusal(panel, forgery)


def test_no_chain_is_called_for_with_a_skill_of_its_own() -> None:
    panel, data = ended()
    for ballot in panel.verified(data).ballots:
        other = wanting(ballot.chain, skill=f"{DIRECT_SKILL} ")
        forgery = forged(panel.stage, data, Kind.AWARD, other)
        assert "another skill than the task's" in refusal(panel, forgery)


def test_a_chain_that_is_awaited_was_called_for_like_the_others() -> None:
    """What it would weigh goes by its owner's skill."""
    panel, data = ended(rule="majority", chains=5)
    (awaited, *_) = verdict_of(data).awaited
    other = wanting(awaited.chain, skill=f"{DIRECT_SKILL} ")
    forgery = forged(panel.stage, data, Kind.AWARD, other)
    assert "another skill than the task's" in refusal(panel, forgery)


def test_one_skill_has_one_vector() -> None:
    """But for the rounding of encoders."""
    panel, data = ended()
    first, second = (ballot.chain for ballot in panel.verified(data).ballots[:2])
    one = forged(panel.stage, data, Kind.AWARD, wanting(first, vector=LEFT, encoder="e"))
    for vector, holds in ((LEFT, True), (NEAR, True), (RIGHT, False)):
        both = forged(panel.stage, one, Kind.AWARD, wanting(second, vector=vector, encoder="e"))
        if holds:
            assert panel.verified(both).outcome == "answered"
        else:
            assert "another vector of the same skill" in refusal(panel, both)
