"""One task entry stands behind a receipt; and of a second verdict on it a reader can't know."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from core_forging import forged
from core_votes import Panel

from ledger import Kind
from symphony.core.receipts.report import InLine, ReceiptReport, that_counts
from symphony.errors import ReceiptInvalid

Refs = Callable[[list[bytes]], list[bytes]]
OTHER = bytes(range(32))


@pytest.mark.parametrize("kind", [Kind.AWARD, Kind.VERDICT], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "refs",
    [lambda _: [], lambda _: [OTHER], lambda own: [*own, OTHER], lambda own: own * 2],
    ids=["none", "another", "both", "twice"],
)
def test_awards_and_verdict_are_for_this_task_entry_alone(kind: Kind, refs: Refs) -> None:
    """Two task entries with one id, of two rules say, would share awards and results."""
    panel = Panel("ada bob cid")
    data = panel.run({}, rule="majority", chains=3)
    same = forged(panel.stage, data, kind, lambda record: record, refs=lambda own: own)
    assert panel.verified(same).answer == "41"
    forgery = forged(panel.stage, data, kind, lambda record: record, refs=refs)
    with pytest.raises(ReceiptInvalid, match="for another task"):
        panel.verified(forgery)


def test_that_there_is_one_verdict_is_not_proven() -> None:
    panel = Panel("ada bob cid")
    report = panel.verified(panel.run({}, rule="majority", chains=3))
    assert report.in_line.final
    assert "that who gave this verdict gave no other one on the same task" in report.not_proven


def test_of_two_verdicts_by_one_author_the_first_counts() -> None:
    panel = Panel("ada bob cid")
    report: Any = panel.verified(panel.run({}, rule="majority", chains=3))
    assert report.in_line.number > 1

    def given(author: bytes, at: InLine) -> ReceiptReport:
        found: ReceiptReport = replace(report, author=author, in_line=at)
        return found

    first = given(b"a", InLine(0, 2, "not_certified", 7))
    second = given(b"a", InLine(0, 2, "answered", 9))
    steward = given(b"b", InLine(1, 2, "answered", 3))
    assert that_counts([second, first]) is first
    assert that_counts([second, steward]) is second
    assert that_counts([second, steward, first]) is steward
