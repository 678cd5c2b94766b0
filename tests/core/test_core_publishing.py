"""A busy node gossips no faster than others take in, and is no rule-breaker for being busy."""

import pytest
from core_stage import Stage, capability
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Kind, parse_entry
from ledger.limits import Limits
from ledger.log import TokenBucket
from symphony.core import limits
from symphony.core.effects import Publish, Reject
from symphony.core.ids import NodeId
from symphony.core.logs.publishing import Publishing
from symphony.core.messages import Entries
from symphony.core.outbox import Outbox

HELD_UP_MS = 60_000
"""How long a connection, or a node, stands still at the most."""


def seqs(raws):
    return [parse_entry(raw).seq for raw in raws]


def test_a_burst_is_gossiped_at_a_rate_whole_and_in_order():
    stage = Stage(capability())
    stage.wait(10_000)
    stage.effects.clear()
    for number in range(400):
        stage.swarm.journal.write(Kind.TASK, b"%d" % number)
    stage.give_nothing()
    said, at_once = [], []
    for _ in range(12):
        stage.wait(limits.PUBLISH_EVERY_MS)
        now = [raw for effect in stage.of(Publish) for raw in effect.message.entries]
        at_once.append(len(now) - len(said))
        said = now
    assert len(said) == 400
    assert seqs(said) == sorted(seqs(said))
    assert at_once[0] <= limits.PUBLISH_BURST + 2 * limits.PUBLISH_PER_S
    assert max(at_once[1:]) <= 2 * limits.PUBLISH_PER_S


def test_what_waits_to_be_gossiped_is_bounded():
    stage = Stage(capability())
    for number in range(limits.MAX_UNPUBLISHED + 5):
        stage.swarm.journal.write(Kind.TASK, b"%d" % number)
    assert len(stage.swarm.journal.publishing) == limits.MAX_UNPUBLISHED


@pytest.mark.parametrize("direct_first", [0, 100, 300])
def test_others_take_in_what_is_published_even_if_work_brought_some_of_it_before(direct_first):
    """By a clock that runs 4 % slow."""
    busy, other = Stage(capability()), Stage(capability(), peers="busy")
    peer = other.peers["busy"]
    written = [peer.entry(Kind.TASK, b"%d" % number) for number in range(500)]
    busy.wait(10_000)
    for entry in written[150 : 150 + direct_first]:
        assert other.swarm.journal.take_signed(peer.id, entry.encode()) == entry
    busy.effects.clear()
    publishing, came = busy.swarm.journal.publishing, 0
    for entry in written:
        publishing.add(entry.encode())
    busy.give_nothing()
    while len(publishing):
        busy.wait(limits.PUBLISH_EVERY_MS)
        other.wait(limits.PUBLISH_EVERY_MS * 96 // 100)
        for effect in busy.of(Publish)[came:]:
            other.heard("busy", effect.message)
        came = len(busy.of(Publish))
    assert other.of(Reject) == []
    assert other.swarm.journal.book.head(peer.id) == written[-1].head


@settings(max_examples=50)
@given(
    written=st.dictionaries(st.integers(0, 60), st.integers(1, 900), max_size=12),
    stalls=st.dictionaries(st.integers(0, 60), st.integers(1, HELD_UP_MS), max_size=6),
    fast_ppm=st.integers(-100_000, 100_000),
)
def test_who_keeps_to_its_rate_is_never_too_fast_whatever_stands_still_on_the_way(
    written, stalls, fast_ppm
):
    """Everything of up to a minute may come at once, by clocks that differ by a tenth."""
    out = Outbox(NodeId(bytes(32)))
    publishing, book = Publishing(out), TokenBucket(Limits().rate_per_s, Limits().rate_burst)
    open_ms = 0
    for turn in range(120):
        out.now_ms = turn * limits.PUBLISH_EVERY_MS
        for _ in range(written.get(turn, 0)):
            publishing.add(b"an entry")
        publishing.due()
        said_ms = out.now_ms * 1_000_000 // (1_000_000 + fast_ppm)
        if said_ms >= open_ms:
            open_ms = said_ms + stalls.get(turn, 0)
        heard_ms = max(said_ms, open_ms)
        for effect in out.take():
            for _ in effect.message.entries if isinstance(effect, Publish) else ():
                assert book.has_token(heard_ms)
                book.spend(heard_ms)


def test_gossip_that_is_too_fast_is_still_refused():
    stage = Stage(capability(), peers="eve")
    peer = stage.peers["eve"]
    many = [peer.entry(Kind.TASK, b"x").encode() for _ in range(Limits().rate_burst + 9)]
    stage.heard("eve", Entries(tuple(many)))
    assert stage.of(Reject)
