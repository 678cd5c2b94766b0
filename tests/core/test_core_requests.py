"""What a node asked for is known again when it comes, and is asked for once."""

from core_stage import SWARM, WALL_MS, Stage, capability
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import Kind, Limits, pack, seal
from symphony.core import limits
from symphony.core.effects import Reject
from symphony.core.ids import NodeId
from symphony.core.logs.requests import Requests
from symphony.core.messages import Entries, Want

PEER, AUTHOR = NodeId(bytes(32)), bytes(32)

# Where a range begins, how long it is, and how long after the last one it is asked for.
RANGES = st.tuples(st.integers(1, 40), st.integers(0, 12), st.integers(0, 700))


def test_a_gap_before_many_early_entries_is_asked_for_once_and_all_of_the_answer_is_free():
    """As after a cut: what is gossiped is too far ahead to be kept."""
    stage = Stage(capability(), peers="ada")
    stage.swarm.journal.book.limits = Limits(rate_burst=30, pending_per_author=8)
    signer, head, written = stage.keys.signer(bytes(32)), None, []
    for seq in range(1, 91):
        hlc = pack(WALL_MS - 9999 + seq)
        entry = seal(signer, SWARM, head, kind=Kind.TASK, body=b"%d" % seq, hlc=hlc)
        head = entry.head
        written.append(entry.encode())
    author = signer.public
    stage.heard("ada", Entries(tuple(written[60:])))
    assert stage.sent("ada", Want) == [Want(author, 1, 90)]
    stage.wait(limits.WANT_PATIENCE_MS)
    for at in range(0, 90, 15):
        stage.heard("ada", Entries(tuple(written[at : at + 15]), asked=True))
    head = stage.swarm.journal.book.head(author)
    assert head is not None
    assert head.seq == 90
    assert stage.of(Reject) == []


@settings(max_examples=50)
@given(st.lists(RANGES, max_size=12))
@example([(2, 0, 0), (1, 0, 0), (2, 1, 0), (1, 2, 0)])
def test_what_was_asked_for_is_expected_and_what_is_on_its_way_is_not_asked_for_again(ranges):
    requests, asked, flights, now_ms = Requests(), set[int](), [], 0
    crowded = False
    for first, more, pause_ms in ranges:
        now_ms += pause_ms
        wanted = requests.ask(PEER, AUTHOR, first, first + more, now_ms)
        flying = {seq for until_ms, on_it in flights[-4:] for seq in on_it if now_ms < until_ms}
        here = set(range(first, first + more + 1))
        got = set() if wanted is None else set(range(wanted[0], wanted[1] + 1))
        assert here - flying <= got <= here
        assert not any(
            got and got <= on_it for until_ms, on_it in flights[-4:] if now_ms < until_ms
        )
        if wanted is not None:
            asked |= got
            flights.append((now_ms + limits.WANT_PATIENCE_MS, got))
        apart = sum(seq - 1 not in asked for seq in asked)
        crowded |= apart > limits.RANGES_REMEMBERED
    expected = {seq for seq in range(60) if requests.expects(PEER, AUTHOR, seq)}
    assert expected <= asked
    assert expected == asked or crowded
