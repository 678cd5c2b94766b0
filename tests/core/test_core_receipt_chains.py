"""What a receipt says of chains is what their outputs show: no answer is left out of the vote."""

from dataclasses import replace
from typing import Any

import pytest
from core_forging import forged
from core_stage import Stage, capability
from core_votes import Panel

from ledger import Kind
from symphony.core.effects import KeepReceipt
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.core.records import VerdictRecord
from symphony.errors import ReceiptInvalid


def divided(**spec: Any) -> tuple[Panel, bytes]:
    """Three of five chains answer 41 and two 42; all have ended."""
    panel = Panel("ada bob cid dan eva")
    spec = {"rule": "majority", "chains": 5, **spec}
    return panel, panel.run({"ada": "42", "bob": "42"}, **spec)


def refusal(panel: Any, data: bytes) -> str:
    with pytest.raises(ReceiptInvalid) as caught:
        panel.verified(data)
    message: str = caught.value.message
    return message


def without(panel: Panel, data: bytes, answer: str) -> tuple[int, ...]:
    """The chains that voted otherwise."""
    found = panel.verified(data).ballots
    return tuple(ballot.chain for ballot in found if ballot.answer != answer)


def dropping(kept: tuple[int, ...], **changes: Any) -> Any:
    """The verdict of a conductor that likes only the answer of the chains that are `kept`."""

    def change(record: VerdictRecord) -> VerdictRecord:
        ballots = tuple(ballot for ballot in record.ballots if ballot.chain in kept)
        winner, plain = ballots[0].answer, {"outstanding": 0, "drawn": 5, "awaited": ()}
        return replace(record, ballots=ballots, winner=winner, settled="exact", **plain | changes)

    return change


def test_no_ballot_is_dropped_whose_answer_is_shown() -> None:
    panel, data = divided()
    assert panel.verified(data).answer == "41"
    kept = without(panel, data, "41")
    forgery = forged(panel.stage, data, Kind.VERDICT, dropping(kept))
    assert "gave an answer, and has no ballot" in refusal(panel, forgery)


def test_a_chain_that_shows_its_answer_is_not_out() -> None:
    panel, data = divided()
    kept = without(panel, data, "41")
    for drawn in (0, 2):
        change = dropping(kept, outstanding=3, drawn=drawn, outcome="cancelled")
        forgery = forged(panel.stage, data, Kind.VERDICT, change)
        assert "gave an answer, and has no ballot" in refusal(panel, forgery)


def test_a_good_result_is_shown() -> None:
    """Else the ballot that stands on it could be dropped with its text alone."""
    panel, data = divided()
    kept = without(panel, data, "41")
    dropped = RECEIPT.decode(forged(panel.stage, data, Kind.VERDICT, dropping(kept)))
    opened = tuple(item for item in dropped.opened if int(item.unit.split("/")[1]) in kept)
    forgery = RECEIPT.encode(replace(dropped, opened=opened))
    assert "is not shown" in refusal(panel, forgery)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"drawn": 4}, "not all count as drawn"),
        ({"blank": (4, 4)}, "called blank"),
        ({"blank": (7,)}, "not in the order"),
        ({"outstanding": 1, "drawn": 0}, "than the task has"),
    ],
)
def test_the_numbers_of_chains_go_together(changes: dict[str, Any], text: str) -> None:
    panel, data = divided(alpha_ppm=0)
    ended = forged(panel.stage, data, Kind.VERDICT, lambda record: record)
    assert panel.verified(ended).settled in ("exact", "tied")
    forgery = forged(panel.stage, data, Kind.VERDICT, lambda record: replace(record, **changes))
    assert text in refusal(panel, forgery)


def blank() -> tuple[Any, bytes]:
    """Three chains, of which the second says nothing of use."""
    stage = Stage(capability())
    stage.submit(chains=3, rule="majority")
    for text in ("Answer: 42", "no idea", "Answer: 42"):
        stage.finish(text)
    return stage, stage.of(KeepReceipt)[-1].receipt


def test_a_chain_without_an_answer_is_called_blank() -> None:
    class Reader:
        stage, data = blank()

        def verified(self, data: bytes) -> Any:
            return verify_receipt(data, verify=self.stage.keys.verify)

    reader = Reader()
    assert [b.chain for b in reader.verified(reader.data).ballots] == [0, 2]
    for chains, text in (((), "is not called blank"), ((1, 2), "holds an answer")):
        change = lambda record, chains=chains: replace(record, blank=chains)  # noqa: E731
        assert text in refusal(reader, forged(reader.stage, reader.data, Kind.VERDICT, change))


def test_the_first_chain_that_is_out_has_not_ended() -> None:
    panel = Panel("ada bob cid dan eva")
    data = panel.run({}, rule="majority", chains=5)
    report = panel.verified(data)
    assert len(report.ballots) < 5, "the vote was over before all had answered"
    chain = report.ballots[0].chain
    forgery = forged(panel.stage, data, Kind.VERDICT, lambda r: replace(r, drawn=chain))
    assert "does not count as drawn" in refusal(panel, forgery)
