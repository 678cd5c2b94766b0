"""The rule `ranked` live: judges are called where answers differ, and the receipt shows it all."""

from dataclasses import replace
from typing import Any

import pytest
from core_votes import Panel, capability

from ledger import Kind
from symphony.core.effects import KeepReceipt
from symphony.core.ids import UnitId
from symphony.core.inputs import Heard, PeerUp
from symphony.core.messages import Entries, Order
from symphony.core.owner.prompts import JUDGE_SKILL, user_message
from symphony.core.records import AWARD
from symphony.core.tasks.unit import Unit
from symphony.core.votes.comparison import (
    comparison_order,
    comparisons_in,
    pair_in,
    pairs_to_compare,
    shown_to_judges,
    swapped,
    told,
    unit_name,
)
from symphony.core.votes.judges import Barred, barred
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
            self.declare(name)

    def declare(self, name: str, roles: Any = ("solve", "judge"), operator: str = "") -> None:
        peer = self.stage.peers[name]
        self.stage.give(PeerUp(peer.id, 2, operator))
        entry = peer.declare(capability(roles=roles, operator=operator or None))
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
    barring(monkeypatch, lambda *_: Barred())
    with pytest.raises(ReceiptInvalid, match="gave one of the two answers"):
        Jury("ada bob cid").play()


def barring(monkeypatch: pytest.MonkeyPatch, rule: Any) -> None:
    """A conductor that lets others judge."""
    monkeypatch.setattr("symphony.core.beacon.asking.barred", rule)
    monkeypatch.setattr("symphony.core.beacon.awards.barred", rule)


def by_node_alone(run: Any, unit: Any) -> Barred:
    return replace(barred(run, unit), operators=frozenset())


def of_one_operator() -> Jury:
    jury = Jury()
    for name in jury.names:
        jury.declare(name, operator="mallory")
    return jury


def test_an_operator_does_not_judge_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    jury = of_one_operator()
    assert jury.play().answer == "41"
    assert not jury.judged
    barring(monkeypatch, by_node_alone)
    with pytest.raises(ReceiptInvalid, match="or its operator, gave one of the two answers"):
        of_one_operator().play()


def two_judges_of_one_operator() -> Jury:
    jury = Jury(judges="")
    for name in ("dan", "eva"):
        jury.declare(name, roles=("judge",), operator="mallory")
    return jury


def test_an_operator_judges_a_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    jury = two_judges_of_one_operator()
    report = jury.play()
    assert (report.answer, report.passed_over, len(jury.judged)) == ("42", 0, 1)
    barring(monkeypatch, by_node_alone)
    monkeypatch.setattr("symphony.core.votes.comparing._units", all_due)
    with pytest.raises(ReceiptInvalid, match="or its operator, compares the two twice"):
        two_judges_of_one_operator().play()


def all_due(run: Any, vote: Any, *_: Any, times: int = 1) -> list[Any]:
    """The units of all comparisons that are due, so many times, whoever there is to do them."""
    due = shown_to_judges(pairs_to_compare(vote.classes)) * times
    names = [unit_name(number, shown) for number, shown in enumerate(due)]
    units = [Unit(run.task, name, 16 + at, "judge", JUDGE_SKILL) for at, name in enumerate(names)]
    return [run.add_unit(unit) for unit in units]


def test_no_judge_is_asked_on_until_the_answer_pleases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "symphony.core.votes.comparing._units", lambda *args: all_due(*args, times=3)
    )
    with pytest.raises(ReceiptInvalid, match="judge/2/0-2 asks what judge/0/0-2 asks"):
        Jury("ada bob cid dan eva fay gus hal ida").play()


def test_only_what_differs_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second ballot for 41 is not the one that is shown for it."""
    monkeypatch.setattr("symphony.core.votes.comparing.pairs_to_compare", lambda _: [(1, 2)])
    with pytest.raises(ReceiptInvalid, match="answers that were not to be compared"):
        Jury().play()


def test_only_the_most_frequent_answers_are_compared() -> None:
    votes = [Vote(at, key, key, 1) for at, key in enumerate("aabbcd")]
    assert pairs_to_compare(tally(votes)) == [(0, 2), (0, 4), (2, 4)]
    assert pairs_to_compare(tally(votes[:2])) == []
    assert pairs_to_compare([]) == []
    heavy = [Vote(at, key, key, 1 + at) for at, key in enumerate("abcd")]  # weights don't count
    assert pairs_to_compare(tally(heavy)) == [(0, 1), (0, 2), (1, 2)]


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
