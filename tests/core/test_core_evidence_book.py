"""One author's word is bounded, whatever it writes, and however much, and in what order."""

from random import Random

import pytest
from core_evidence import SWARM, T0_MS, probe, verdict
from core_stage import WALL_MS, Peer
from core_votes import Panel, Told
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Entry, Kind, pack
from symphony.core import limits
from symphony.core.beacon.experience import LEARNED_FROM
from symphony.core.effects import Append
from symphony.core.inputs import EntriesStored, Heard, PeerUp
from symphony.core.messages import Entries
from symphony.core.receipts.receipt import RECEIPT
from symphony.core.records import (
    PROBE,
    VERDICT,
    ProbeOutcome,
    ProbeRecord,
)
from symphony.core.swarm import Swarm
from symphony.core.votes.evidence import MAX_OF_AUTHOR_MILLI
from symphony.core.votes.evidence_book import EvidenceBook
from symphony.core.votes.grounds import LEAST_WORD_MILLI, agent_key, agreement_of, grounds_of
from symphony.core.votes.reputation import reputation
from symphony.core.weighing import Agreement, Evidence
from symphony.core.weighing.resemblance import MAX_OF_PAIR_MILLI, pair, without_echo
from symphony.testing.signing import FastKeys

KEYS = FastKeys()
BEFORE = (T0_MS + 1_000_000) << 16
NAMES = ["eve", *(f"honest {at}" for at in range(24))]
SIGNERS = {name: KEYS.signer(name.encode().ljust(32, b".")) for name in NAMES}
NODE = {name: signer.public for name, signer in SIGNERS.items()}
AGENTS = {name: KEYS.signer(name.encode().ljust(32, b"+")).public for name in "xyz"}
VOTERS = [(node, "solver", "math") for node in AGENTS.values()]


def probed(author: str, about: str, right: int, wrong: int, at: int, skill: str = "math") -> Entry:
    return probe(SIGNERS[author], AGENTS[about], right, wrong, at_ms=T0_MS + at, skill=skill)


def voted(author: str, at: int, **answers: str) -> Entry:
    votes = [(AGENTS[name], answer) for name, answer in answers.items()]
    return verdict(SIGNERS[author], votes, at_ms=T0_MS + at)


FLOOD = st.lists(
    st.tuples(
        st.sampled_from("xyz"),
        st.integers(0, 32),
        st.sampled_from(["math", "art", *map(str, range(9))]),
    ),
    max_size=60,
)
HONEST = st.lists(
    st.tuples(st.integers(0, 23), st.sampled_from("xyz"), st.integers(0, 8)), max_size=40
)


def outcomes_in(entry: Entry) -> tuple[ProbeOutcome, ...]:
    return PROBE.decode(entry.body or b"").outcomes


def cited(entries: list[Entry], seed: int = 0, before: int = BEFORE) -> tuple[Entry, ...]:
    book = EvidenceBook(*NODE.values())
    entries = entries.copy()
    Random(seed).shuffle(entries)
    for entry in entries:
        book.learn(entry)
    return book.cited(VOTERS, before)


@settings(max_examples=40, deadline=None)
@given(HONEST, FLOOD, st.integers(0, 1000))
def test_a_flood_of_one_author_moves_nobody_by_more_than_its_cap(told, flood, seed) -> None:
    """And takes from the others no more places than each of them has."""
    honest = [
        probed(f"honest {who}", about, n, 8 - n, at) for at, (who, about, n) in enumerate(told)
    ]
    loud = [
        probed("eve", about, n, 32 - n, 900_000 + at, skill)
        for at, (about, n, skill) in enumerate(flood)
    ]
    found = cited([*honest, *loud], seed)
    assert found == cited([*loud, *honest])
    of_eve = [entry for entry in found if entry.author == NODE["eve"]]
    heard = [entry for entry in found if entry.author != NODE["eve"]]
    with_her = grounds_of(found, VOTERS, T0_MS + 1_000_000).evidence
    without = grounds_of(heard, VOTERS, T0_MS + 1_000_000).evidence
    for node, agent, _ in VOTERS:
        key = agent_key(node, agent)
        one, other = with_her.get(key, Evidence()), without.get(key, Evidence())
        said = [o for entry in heard for o in outcomes_in(entry) if o.node == node]
        right = sum(outcome.right for outcome in said) * 1000
        wrong = len(said) * 1000 - right
        assert one.right_milli <= right + MAX_OF_AUTHOR_MILLI
        assert one.wrong_milli <= wrong + MAX_OF_AUTHOR_MILLI
        assert one.trials_milli <= right + wrong + MAX_OF_AUTHOR_MILLI
        words = {entry.author for entry in heard if outcomes_in(entry)[0].node == node}
        least = min(8, LEAST_WORD_MILLI // 1000) * 1000 * len(words)
        assert min(one.trials_milli, other.trials_milli) >= least, "every word is heard"
    said = sum(len(outcomes_in(entry)) for entry in of_eve)
    for author in {entry.author for entry in honest}:
        has = sum(entry.author == author for entry in honest)
        kept = sum(entry.author == author for entry in heard)
        assert kept == has or 8 * kept >= said - 32, "who said less lost nothing"


@pytest.mark.parametrize("honest", [2, 3, 6, 12])
def test_one_who_says_much_at_once_is_no_louder_than_many(honest: int) -> None:
    """Members say a little of each in an entry, as probes come; one says as much as fits of one."""
    told = [
        probed(f"honest {who}", about, 2, 1, 100 * at + who)
        for at in range(40)
        for who in range(honest)
        for about in "xyz"
    ]
    loud = [probed("eve", "x", 0, 32, 50_000 + at) for at in range(40)]
    known = grounds_of(cited([*told, *loud]), VOTERS, T0_MS + 1_000_000).evidence
    lied_of = known[agent_key(AGENTS["x"], "solver")]
    assert 2 * lied_of.right_milli >= lied_of.wrong_milli, "two of three, less what one may say"
    fair = known[agent_key(AGENTS["y"], "solver")]
    assert fair.right_milli == 2 * fair.wrong_milli


def test_ten_probes_of_one_who_asked_count_whatever_verdicts_say() -> None:
    told = [probed("honest 0", "x", 8, 2, 0), voted("honest 1", 1, x="1", y="1", z="2")]
    known = grounds_of(told, VOTERS, T0_MS + 1_000_000).evidence[agent_key(AGENTS["x"], "solver")]
    assert known.trials_milli >= 10_000


def test_small_entries_just_before_a_task_push_nobody_out() -> None:
    authors = [f"honest {at}" for at in range(10)]
    honest = [probed(name, "x", 8, 0, at) for at, name in enumerate(authors)]
    votes = [voted(name, at, x="1", y="1", z="2") for at, name in enumerate(authors)]
    loud = [probed("eve", "x", 0, 1, 900_000 + at) for at in range(40)]
    loud += [voted("eve", 900_000 + at, x="1", y="1", z="1") for at in range(40)]
    for task in range(20):  # whoever has the first turn
        found = cited([*honest, *votes, *loud], before=BEFORE + task)
        assert set(honest) | set(votes) <= set(found)
    probes = [entry for entry in found if entry.kind == Kind.PROBE]
    assert (len(probes), len(found)) == (limits.MAX_CITED_PROBES, limits.MAX_CITED)
    assert list(found[: len(probes)]) == sorted(probes, key=lambda e: -e.hlc)


def test_where_not_all_authors_have_a_place_each_task_draws_anew() -> None:
    crowd = [KEYS.signer(f"member {at}".encode().ljust(32, b"=")) for at in range(60)]
    book = EvidenceBook(*(member.public for member in crowd))
    for at, member in enumerate(crowd):
        book.learn(probe(member, AGENTS["x"], 1, 0, at_ms=T0_MS + at, skill="math"))
    drawn = [{entry.author for entry in book.cited(VOTERS, BEFORE + task)} for task in range(40)]
    assert all(len(authors) == limits.MAX_CITED_PROBES for authors in drawn)
    assert set.union(*drawn) == {member.public for member in crowd}
    assert not set.intersection(*drawn)


def test_memory_is_shared_out_too(monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_EVIDENCE", 64)
    monkeypatch.setattr(limits, "EVIDENCE_ROOM", 8)
    book = EvidenceBook(NODE["eve"], NODE["honest 0"], NODE["honest 1"])
    honest = [probed(f"honest {at % 2}", "x", 8, 0, at) for at in range(20)]
    for entry in [*honest, *(probed("eve", "x", 0, 1, 100 + at) for at in range(500))]:
        book.learn(entry)
        assert len(book) <= 64
    assert book.of(entry.id for entry in honest) == honest
    for at in range(500):
        book.learn(probed(f"honest {2 + at % 20}", "x", 0, 1, 1000 + at))  # never met
    assert book.of(entry.id for entry in honest) == honest
    assert book.cited(VOTERS, BEFORE)


def test_no_author_alone_makes_an_echo_and_two_do() -> None:
    agents = {(node, "solver") for node in AGENTS.values()}
    names = {name: agent_key(node, "solver") for name, node in AGENTS.items()}
    one = [voted("eve", at, x="1", y="1", z="2") for at in range(32)]
    found = agreement_of(one, agents, T0_MS + 1000)
    assert found[pair(names["x"], names["y"])] == Agreement(MAX_OF_PAIR_MILLI, MAX_OF_PAIR_MILLI)
    assert found[pair(names["x"], names["z"])] == Agreement(MAX_OF_PAIR_MILLI, 0)
    everybody = list(names.values())
    weights = [1_000_000] * 3
    for rate in (1, 500_000, 999_999):
        rates = dict.fromkeys(everybody, rate)
        assert without_echo(weights, everybody, rates, found) == weights
    two = [*one, *(voted("honest 0", at, x="1", y="1", z="2") for at in range(32))]
    found = agreement_of(two, agents, T0_MS + 1000)
    rates = dict.fromkeys(everybody, 500_000)
    assert without_echo(weights, everybody, rates, found) != weights


@pytest.mark.parametrize("wrong", [11, 32, 64])
def test_no_author_alone_excludes_an_agent_or_brings_it_back(wrong: int) -> None:
    def state(*entries: Entry, day: int = 0) -> str:
        at_ms = T0_MS + 10_000 + day * 24 * 3600 * 1000
        return reputation(entries, at_ms).standings[0].state

    alone = [probed("eve", "x", 0, min(wrong - at, 32), at) for at in range(0, wrong, 32)]
    assert state(*alone) == "active"
    assert state(*alone, probed("honest 0", "x", 1, 3, 100)) == "active"
    two = [*alone, probed("honest 0", "x", 0, 5, 200)]
    assert state(*two) == "excluded"
    later = 24 * 3600 * 1000 + 1000
    friend = probed("honest 1", "x", 20, 0, later)
    assert state(*two, friend, day=1) == "probe"
    assert state(*two, friend, probed("honest 2", "x", 1, 0, later + 1), day=1) == "active"


@pytest.mark.parametrize("met", [False, True])
def test_a_receipt_cites_members_only_and_all_of_them(met: bool) -> None:
    """Whoever floods, and whoever passes on what a key said that was never invited."""
    panel = Panel()
    honest = [panel.probed(name, Told("ada", 6, 2), Told("bob", 6, 2)) for name in ("hal", "ida")]
    panel.stage.now_ms += 1000
    stranger = Peer("mal", panel.stage.keys)
    if met:
        panel.stage.give(PeerUp(stranger.id, 2))
    lie = ProbeOutcome(panel.stage.peers["ada"].id, "solver", "math", bytes(32), False)
    loud = []
    for _ in range(limits.MAX_CITED_PROBES):
        panel.stage.now_ms += 100
        panel.probed("eva", Told("ada", 0, 1))
        entry = stranger.entry(Kind.PROBE, PROBE.encode(ProbeRecord((lie,))), panel.stage.now_ms)
        panel.stage.give(Heard(panel.stage.peers["bob"].id, Entries((entry.encode(),))))
        loud.append(entry)
    panel.stage.now_ms += 1000
    receipt = panel.run({}, chains=9)
    panel.verified(receipt)
    shown = RECEIPT.decode(receipt).evidence
    assert {entry.encode() for entry in honest} <= set(shown)
    assert bool({entry.encode() for entry in loud} & set(shown)) == met
    assert len(shown) == limits.MAX_CITED_PROBES


def test_who_worked_for_a_node_is_cited_after_its_restart_too() -> None:
    panel = Panel()
    panel.run({}, chains=9, rule="majority")
    own = [
        entry
        for effect in panel.stage.of(Append)
        for entry in effect.entries
        if entry.author == panel.stage.me and entry.kind in LEARNED_FROM
    ]
    panel.stage.now_ms += 1000
    workers = {ballot.owner for ballot in VERDICT.decode(own[-1].body or b"").ballots}
    about = panel.stage.peers["ada"].id
    told = [
        panel.probed(name, Told("ada" if name != "ada" else "bob", 3, 1)) for name in panel.names
    ]
    again = Swarm(panel.stage.signer, panel.stage.keys.verify, SWARM, Random(1))
    for page in (tuple(told), tuple(own)):
        again.handle(0, EntriesStored(page))
    found = again.evidence.cited(
        [(about, "solver", "math")], pack(WALL_MS + panel.stage.now_ms + 1)
    )
    assert {entry.author for entry in found} == (workers | {again.me}) - {about}
    assert len(workers) < len(panel.names), "the others are strangers until they are here"
