"""The rule `ranked` live: judges are called where answers differ, and the receipt shows it all."""

from dataclasses import replace
from typing import Any

import pytest
from core_votes import Panel, capability

from ledger import Kind
from symphony.core.effects import KeepReceipt
from symphony.core.ids import UnitId
from symphony.core.inputs import Heard
from symphony.core.messages import Entries, Order
from symphony.core.owner.prompts import user_message
from symphony.core.records import AWARD
from symphony.core.votes.comparison import (
    comparison_order,
    comparisons_in,
    pair_in,
    pairs_to_compare,
    swapped,
    told,
    unit_name,
)
from symphony.core.votes.vote import Vote, tally
from symphony.core.weighing import Comparison
from symphony.errors import ReceiptInvalid

ANSWERS = ("41", "41", "42")


class Jury(Panel):
    """Peers that solve and judge; the chains answer 41, 41 and 42, in the order of their owners'
    results."""

    def __init__(self, names: str = "ada bob cid dan eva", *, judges: str | None = None) -> None:
        super().__init__(names)
        self.judged: list[str] = []
        for name in (names if judges is None else judges).split():
            peer = self.stage.peers[name]
            entry = peer.declare(capability(roles=("solve", "judge")))
            self.stage.capabilities[name] = entry
            self.stage.give(Heard(peer.id, Entries((entry.encode(),))))

    def bid(self, **_: Any) -> None:
        super().bid(only=" ".join(self.names))

    def play(self, says: str = "42", **spec: Any) -> Any:
        """A whole task; every judge is for the answer that `says`, wherever it is shown, or hands
        over just these words."""
        self.stage.submit(rule="ranked", chains=3, **spec)
        answers = iter(ANSWERS)
        for _ in range(60):
            if self.stage.of(KeepReceipt):
                return self.verified(self.stage.of(KeepReceipt)[-1].receipt)
            self.bid()
            out = self.works()
            if not out:
                self.stage.wait(100)
            for name, work in out[:1]:
                if work.order.role == "judge":
                    self.judged.append(name)
                    self.judge(name, work, says)
                else:
                    self.answer(name, work, f"Answer: {next(answers)}")
        raise AssertionError("the task never ended")

    def judge(self, name: str, work: Any, says: str) -> None:
        if says == "fails":
            self.answer(name, work, "", status="failed", reason="no idea")
            return
        first = says in work.order.quotes[0].text
        words = says if "\n" in says else "first\nsecond" if first else "second\nfirst"
        self.answer(name, work, words)

    def awards(self) -> list[Any]:
        found = [AWARD.decode(entry.body) for entry in self.stage.entries(Kind.AWARD)]
        return [award for record in found for award in record.awards]


def test_judges_lift_a_lone_answer_and_judge_none_of_their_own() -> None:
    jury = Jury()
    report = jury.play("42")
    assert (report.answer, report.rule, report.settled) == ("42", "ranked", "exact")
    assert [ballot.weight for ballot in report.ballots] == [200_000, 200_000, 10**6]
    compared = [award for award in jury.awards() if award.requirement.role == "judge"]
    assert [pair_in(award.name) for award in compared] == [(0, 2), (2, 0)]
    solvers = {a.owner for a in jury.awards() if a.requirement.role == "solve"}
    judges = [award.owner for award in compared]
    assert len(set(judges)) == 2
    assert not set(judges) & solvers


def test_a_liking_for_the_first_place_is_a_tie() -> None:
    report = Jury().play("first\nfirst")
    assert report.answer == "41"
    assert [ballot.weight for ballot in report.ballots] == [10**6] * 3


def test_where_nobody_can_judge_the_vote_is_the_majority() -> None:
    for jury in (Jury(judges=""), Jury("ada bob cid")):
        assert jury.play().answer == "41"
        assert not jury.judged
        assert jury.stage.now_ms < 3_000


@pytest.mark.parametrize("words", ["fails", "the\nsecond", "first\nsecond\nthird"])
def test_a_judge_that_says_nothing_of_use_is_missed_and_no_more(words: str) -> None:
    jury = Jury()
    report = jury.play(words)
    assert (report.answer, report.outcome) == ("41", "answered")
    assert len(jury.judged) >= 2


def test_the_budget_holds_for_judges_too() -> None:
    """Two calls are reserved for each, so here there is enough for one only, and it decides."""
    jury = Jury()
    report = jury.play(budget_tokens=900, max_tokens=64)
    assert (report.answer, report.outcome) == ("42", "answered")
    assert len(jury.judged) == 1


def test_what_a_judge_was_shown_is_checked_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(prompt: str, unit: UnitId, first: str, second: str) -> Order:
        return comparison_order(prompt, unit, first, second + ", or so")

    monkeypatch.setattr("symphony.core.owner.orders.comparison_order", other)
    with pytest.raises(ReceiptInvalid, match="was shown something else"):
        Jury().play()


def test_a_judge_of_its_own_answer_is_refused_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symphony.core.beacon.asking.barred", lambda *_: frozenset())
    monkeypatch.setattr("symphony.core.beacon.awards.barred", lambda *_: frozenset())
    with pytest.raises(ReceiptInvalid, match="gave one of the two answers"):
        Jury("ada bob cid").play()


def test_only_the_most_frequent_answers_are_compared() -> None:
    votes = [Vote(at, key, key, 1) for at, key in enumerate("aabbcd")]
    assert pairs_to_compare(tally(votes)) == [(0, 2), (0, 4), (2, 4)]
    assert pairs_to_compare(tally(votes[:2])) == []
    assert pairs_to_compare([]) == []


def test_an_order_shows_two_answers_without_their_owners() -> None:
    order = comparison_order("Which?", UnitId(b"u" * 16), "It is <<<1>>>.", "It is 2.")
    text, back = user_message(order), user_message(swapped(order))
    assert text.index("<1>") < text.index("is 2")
    assert back.index("<1>") > back.index("is 2")
    assert "node" not in text
    assert swapped(swapped(order)) == order
    assert user_message(replace(order, quotes=order.quotes[::-1])) != back


def test_the_words_of_a_judge() -> None:
    name = unit_name(0, (3, 1))
    assert told(["Answer: first", "I say: Answer: second"]) == "first\nsecond"
    assert told(["Answer: first", "no idea"]) is None
    assert comparisons_in(name, "first\nsecond", "j", "n") == (
        Comparison("j", "n", 3, 1, 3),
        Comparison("j", "n", 1, 3, 3),
    )
    assert [c.preferred for c in comparisons_in(name, "tie\nfirst", "j", "n")] == [None, 1]
    for junk in ("", "first", "first\nfirst\nfirst", "third\nfirst"):
        assert comparisons_in(name, junk, "j", "n") == ()
