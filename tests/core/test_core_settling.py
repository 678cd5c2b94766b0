"""When a vote is over: exact stops that hold whatever follows, waves, certificates, receipts."""

from dataclasses import replace
from itertools import product

import pytest
from core_votes import Panel, Told, witnessed
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.effects import KeepReceipt
from symphony.core.events import TaskEnded
from symphony.core.receipts.receipt import RECEIPT
from symphony.core.votes.settling import Ballots, Cast, next_wave, settle, standing
from symphony.core.votes.vote import Vote
from symphony.core.weighing import Caps, CastBallot, Evidence, Grounds
from symphony.errors import ReceiptInvalid

AGENTS = "abcd"
KEYS = "xyz"


def cast(chain: int, key: str, agent: str) -> Cast:
    return Cast(CastBallot(chain, key, agent, agent, lineage=agent), key)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(AGENTS)), min_size=1, max_size=4),
    st.lists(st.sampled_from(AGENTS), max_size=2),
    st.lists(st.integers(0, 20_000), min_size=8, max_size=8),
)
def test_an_exact_stop_under_reliability_is_never_wrong(voted, out, counts) -> None:
    """The owners of what is out are known, so their weights are; whatever they say, and if they say
    nothing, it stands.
    """
    known = {a: Evidence(counts[2 * i], counts[2 * i + 1]) for i, a in enumerate(AGENTS)}
    grounds = Grounds(evidence=known, caps=Caps())
    ballots = tuple(cast(i, key, agent) for i, (key, agent) in enumerate(voted))
    chains = len(voted) + len(out)
    awaited = tuple(
        CastBallot(len(voted) + i, "", agent, agent, lineage=agent) for i, agent in enumerate(out)
    )
    now = settle("reliability", Ballots(chains, ballots, len(out), 0, awaited), 0, grounds)
    if now.state != "exact":
        return
    for rest in product([*KEYS, None], repeat=len(out)):
        said = enumerate(zip(rest, out, strict=True))
        more = tuple(cast(len(voted) + i, k, a) for i, (k, a) in said if k)
        then = settle("reliability", Ballots(chains, ballots + more, 0, chains), 0, grounds)
        assert then.classes[0].key == now.classes[0].key


def test_nothing_is_exact_while_owners_are_unknown() -> None:
    ballots = (cast(0, "x", "a"), cast(1, "x", "b"))
    for rule in ("reliability", "confidence", "ranked"):
        assert settle(rule, Ballots(3, ballots, 1, 2), 0, Grounds()).state == "open"
    assert settle("majority", Ballots(3, ballots, 1, 2), 0, Grounds()).state == "exact"


@pytest.mark.parametrize(
    ("chains", "keys", "wave"),
    [
        (9, "", 3),
        (9, "xx", 1),
        (9, "xy", 4),
        (3, "", 2),
        (1, "", 1),
        (9, "xyxyxy", 2),
        (9, "xxxyyy", 3),
    ],
)
def test_a_wave_is_the_fewest_that_could_settle_it(chains: int, keys: str, wave: int) -> None:
    ballots = tuple(cast(i, key, str(i)) for i, key in enumerate(keys))
    known = Ballots(chains, ballots, chains - len(keys), len(keys))
    assert next_wave(known, 50_000) == wave
    assert next_wave(known, 0) == chains - len(keys)


def test_agreement_stops_after_the_first_wave() -> None:
    panel = Panel()
    report = panel.verified(panel.run({}, rule="majority", chains=9, alpha_ppm=50_000))
    assert (report.outcome, report.settled, len(report.ballots)) == ("answered", "certified", 3)
    assert report.e_milli > 20_000  # 1 / α
    assert "certified at 5 %" in report.stop


def voted(panel, answers):
    """The report of a task whose chains answer so, one after the other."""
    for answer in answers:
        panel.bid()
        name, work = panel.works()[0]
        panel.answer(name, work, f"Answer: {answer}")
    return panel.verified(panel.stage.of(KeepReceipt)[0].receipt)


@pytest.mark.parametrize(("weights", "state"), [((5, 4, 6), "certified"), ((9, 1, 1), "open")])
def test_heads_are_counted_only_where_they_weigh_about_the_same(weights, state: str) -> None:
    ballots = tuple(cast(chain, "x", agent) for chain, agent in enumerate("abc"))
    votes = tuple(Vote(at, "x", "x", weight) for at, weight in enumerate(weights))
    assert standing(votes, Ballots(9, ballots, 6, 3), None, 50_000).state == state


def test_a_divided_vote_is_left_as_it_stands() -> None:
    panel = Panel()
    panel.stage.submit(chains=9, rule="majority", alpha_ppm=50_000)
    report = voted(panel, "11213")
    assert (report.outcome, report.settled) == ("not_certified", "enough")
    assert (report.answer, len(report.ballots), report.e_milli) == ("1", 5, 0)
    assert "divided: 3 of 5" in panel.stage.told(TaskEnded)[-1].message


def test_without_a_winner_it_is_not_certified() -> None:
    """Two against two: the best so far is told, and that it is no more than that."""
    panel = Panel()
    panel.stage.submit(chains=4, rule="majority", alpha_ppm=50_000)
    report = voted(panel, "1221")
    assert (report.outcome, report.settled, len(report.ballots)) == ("not_certified", "tied", 4)
    ended = panel.stage.told(TaskEnded)[-1]
    assert (ended.error, ended.answer) == ("not_certified", report.answer)
    assert "level" in ended.message


def test_three_answers_of_three_chains_are_told_as_level() -> None:
    """Answered, because something has to be said; and nobody takes it for agreement."""
    panel = Panel()
    panel.stage.submit(chains=3, rule="majority")
    voted(panel, "123")
    ended = panel.stage.told(TaskEnded)[-1]
    assert (ended.outcome, ended.stop) == (
        "answered",
        "3 of 3 chains voted, and 3 answers are level",
    )
    assert (ended.settled, ended.agreeing, ended.answers, ended.level) == ("tied", 1, 3, 3)


def test_agreement_is_told_and_so_is_a_level_that_is_reached_by_all_voting() -> None:
    panel = Panel()
    panel.stage.submit(chains=3, rule="majority", alpha_ppm=50_000)
    voted(panel, "121")
    ended = panel.stage.told(TaskEnded)[-1]
    assert (ended.stop, ended.settled) == ("exact: 3 of 3 chains voted", "exact")
    assert (ended.agreeing, ended.answers, ended.level) == (2, 2, 1)
    assert 0 < ended.prompt_tokens < ended.tokens


def test_evidence_lets_few_strong_agents_outvote_many_weak_ones() -> None:
    panel, receipt = witnessed()
    report = panel.verified(receipt)
    assert (report.rule, report.answer, report.settled) == ("reliability", "42", "exact")
    assert report.evidence == 8
    assert 1000 <= report.effective_milli < 2000
    assert panel.stage.told(TaskEnded)[-1].effective_milli == report.effective_milli


def test_auto_goes_by_evidence_once_there_is_some() -> None:
    for trials, rule in ((0, "majority"), (8, "reliability")):
        panel = Panel("ada bob cid")
        if trials:
            panel.probed("cid", Told("ada", trials, 0), Told("bob", trials, 2))
            panel.probed("ada", Told("cid", trials, 2))
        report = panel.verified(panel.run({}, rule="auto", chains=3))
        assert report.rule == rule


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda raws: raws[1:], "the evidence is not"),
        (lambda raws: raws[::-1], "the evidence is not"),
        (lambda raws: (*raws, raws[0]), "the evidence is not"),
        (
            lambda raws: (raws[0][:-1] + bytes([raws[0][-1] ^ 1]), *raws[1:]),
            "an entry does not hold",
        ),
    ],
)
def test_evidence_that_was_touched_is_refused(spoil, text: str) -> None:
    panel, data = witnessed()
    receipt = RECEIPT.decode(data)
    forged = RECEIPT.encode(replace(receipt, evidence=tuple(spoil(receipt.evidence))))
    with pytest.raises(ReceiptInvalid) as caught:
        panel.verified(forged)
    assert text in caught.value.message
