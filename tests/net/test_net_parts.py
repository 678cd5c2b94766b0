"""The parts that need no network: frames, outbox, doorman, back-off, address book, names."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import base58
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from multiaddr import Multiaddr

from symphony.errors import ConfigError
from symphony.net import frames, identity, limits, topics
from symphony.net.address_book import AddressBook
from symphony.net.doorman import Doorman
from symphony.net.host import _concrete
from symphony.net.outbox import Outbox
from symphony.net.ports import Ports
from symphony.net.redial import Redial


class Pieces:
    """A stream that gives fixed pieces, then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def read(self, size: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if len(piece) > size:
            self.pieces.insert(0, piece[size:])
        return piece[:size]


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
def test_frames_come_back_however_the_stream_is_cut(sent: list[bytes], cut: int) -> None:
    data = b"".join(frames.encode(frame) for frame in sent)
    pieces = [data[start : start + cut] for start in range(0, len(data), cut)]

    async def receive() -> list[bytes]:
        reader = frames.FrameReader(Pieces(*pieces).read)
        return [await reader.next() for _ in sent]

    assert trio.run(receive) == sent


async def test_a_frame_over_the_cap_is_refused_by_its_head_alone() -> None:
    head = (limits.MAX_FRAME_BYTES + 1).to_bytes(4, "big")
    reader = frames.FrameReader(Pieces(head).read)
    with pytest.raises(frames.FrameTooLarge):
        await reader.next()


@pytest.mark.parametrize("data", [b"", b"\x00\x00", frames.encode(b"whole")[:-1]])
async def test_a_cut_frame_is_the_end_of_the_stream(data: bytes) -> None:
    with pytest.raises(frames.EndOfStream):
        await frames.FrameReader(Pieces(data).read).next()


async def test_queued_frames_are_joined_into_one_write() -> None:
    box, writes = Outbox(), []

    async def write(data: bytes) -> None:
        writes.append(data)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for frame in (b"a", b"bb", b"ccc"):
            assert box.put(frame)
        nursery.start_soon(box.drain, write)
        await trio.testing.wait_all_tasks_blocked()
        assert writes == [b"".join(frames.encode(frame) for frame in (b"a", b"bb", b"ccc"))]
        assert box.put(b"later")
        await trio.testing.wait_all_tasks_blocked()
        assert writes[1:] == [frames.encode(b"later")]
        assert box.waiting_bytes == 0
        nursery.cancel_scope.cancel()


async def test_a_batch_is_bounded_and_keeps_the_order() -> None:
    box, writes = Outbox(), []
    big = [bytes([number]) * 25_000 for number in range(5)]

    async def write(data: bytes) -> None:
        writes.append(data)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        assert all(box.put(frame) for frame in big)
        nursery.start_soon(box.drain, write)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert max(map(len, writes)) <= limits.WRITE_BATCH_BYTES
    assert len(writes) == 3
    assert b"".join(writes) == b"".join(frames.encode(frame) for frame in big)


async def test_a_full_outbox_says_so() -> None:
    by_count, by_bytes = Outbox(), Outbox()
    assert all(by_count.put(b"") for _ in range(limits.OUTBOX_FRAMES))
    assert not by_count.put(b"")
    largest = bytes(limits.MAX_FRAME_BYTES)
    fitting = limits.OUTBOX_BYTES // (limits.MAX_FRAME_BYTES + limits.FRAME_HEAD_BYTES)
    assert all(by_bytes.put(largest) for _ in range(fitting))
    assert not by_bytes.put(largest)
    with pytest.raises(ValueError, match="over"):
        by_bytes.put(bytes(limits.MAX_FRAME_BYTES + 1))


def test_the_doorman_counts_per_address_but_not_loopback() -> None:
    doorman = Doorman(per_address=2)
    assert doorman.enter("192.0.2.7")
    assert doorman.enter("192.0.2.7")
    assert not doorman.enter("192.0.2.7")
    assert doorman.enter("192.0.2.8")
    doorman.leave("192.0.2.7")
    assert doorman.enter("192.0.2.7")
    assert all(doorman.enter("127.0.0.1") and doorman.enter("::1") for _ in range(10))


def test_bans_end_and_are_bounded() -> None:
    doorman = Doorman()
    doorman.ban(b"p", until_s=10.0)
    assert doorman.is_banned(b"p", 9.9)
    assert not doorman.is_banned(b"p", 10.0)
    for number in range(limits.MAX_BANS + 1):
        doorman.ban(number.to_bytes(4, "big"), until_s=100.0 + number)
    assert not doorman.is_banned((0).to_bytes(4, "big"), 50.0)
    assert doorman.is_banned((1).to_bytes(4, "big"), 50.0)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 40))
def test_back_off_doubles_within_its_bounds(dice: float, failures: int) -> None:
    redial = Redial(lambda: dice)
    for _ in range(failures):
        redial.failed("a", now_s=1000.0)
    full_s = min(limits.BACKOFF_FIRST_S * 2 ** (failures - 1), limits.BACKOFF_LAST_S)
    due_s = redial.next_due_s(["a"])
    assert due_s is not None
    assert 1000.0 + full_s / 2 <= due_s <= 1000.0 + full_s


def test_success_forgets_failures_and_a_refusal_rests() -> None:
    redial = Redial(lambda: 0.5)
    redial.failed("a", 0.0)
    redial.rest("b", 0.0)
    assert redial.due(["a", "b", "c"], 0.0) == ["c"]
    assert redial.due(["a", "b", "c"], limits.BACKOFF_DENIED_S) == ["a", "b", "c"]
    redial.succeeded("a")
    assert redial.due(["a", "b"], 0.0) == ["a"]
    assert redial.next_due_s([]) is None


def test_the_address_book_is_private_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    book = AddressBook(path)
    book.said(b"a" * 32, ["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2"])
    book.good(b"b" * 32, "/ip4/192.0.2.2/tcp/1", now_ms=5)
    book.good(b"a" * 32, "/ip4/192.0.2.1/tcp/2", now_ms=9)
    assert book.changed
    book.save()
    assert not book.changed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["peers.json"]
    assert AddressBook(path).addresses() == {
        b"a" * 32: ("/ip4/192.0.2.1/tcp/2", "/ip4/192.0.2.1/tcp/1"),
        b"b" * 32: ("/ip4/192.0.2.2/tcp/1",),
    }


def test_the_address_book_is_bounded() -> None:
    book = AddressBook()
    for number in range(limits.KNOWN_PEERS + 10):
        addresses = [f"/ip4/192.0.2.1/tcp/{port}" for port in range(20)]
        book.said(number.to_bytes(32, "big"), addresses)
        book.good(number.to_bytes(32, "big"), "/ip4/192.0.2.9/tcp/1", now_ms=number)
    known = book.addresses()
    assert len(known) == limits.KNOWN_PEERS
    assert max(len(addresses) for addresses in known.values()) == limits.KNOWN_ADDRESSES
    assert (9).to_bytes(32, "big") not in known
    assert (limits.KNOWN_PEERS + 9).to_bytes(32, "big") in known


def test_a_peer_that_often_comes_back_elsewhere_is_looked_for_where_it_was_last() -> None:
    book, peer = AddressBook(), b"a" * 32
    book.good(peer, "/ip4/192.0.2.1/tcp/1", now_ms=1)
    for port in range(2, 20):
        book.said(peer, [f"/ip4/192.0.2.1/tcp/{port}"])
    ports = [int(address.split("/")[-1]) for address in book.addresses()[peer]]
    assert ports == [1, 19, 18, 17]


def test_what_others_say_of_a_peer_does_not_make_us_forget_where_it_is() -> None:
    book, peer = AddressBook(), b"a" * 32
    own = [f"/ip4/192.0.2.1/tcp/{port}" for port in range(1, limits.KNOWN_ADDRESSES + 1)]
    book.said(peer, own)
    for port in range(50):
        book.heard(peer, f"/ip4/192.0.2.66/tcp/{port}")
    assert book.addresses()[peer] == (*own[:-1], "/ip4/192.0.2.66/tcp/49")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "peers": {}}', "\x00" * 9])
def test_a_broken_address_book_is_said_and_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "peers.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not an address book"):
        AddressBook(path)
    assert path.read_text() == text


def test_an_address_book_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    book = AddressBook(tmp_path / "absent" / "peers.json")
    with pytest.raises(ConfigError, match="can't be written"):
        book.save()


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"version": 2, "ports": {}}', " " * (limits.PORTS_BYTES + 1)),
        '{"version": 1, "ports": {"/ip4/127.0.0.1/tcp/0": 65536}}',
    ],
)
def test_a_broken_file_of_ports_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no ports"):
        Ports(path)


def test_ports_are_kept_for_addresses_that_leave_them_open_and_within_a_bound(
    tmp_path: Path,
) -> None:
    ports = Ports(tmp_path / "ports.json")
    ports.keep("/ip4/127.0.0.1/tcp/4717", 4717)
    assert not (tmp_path / "ports.json").exists()
    for number in range(limits.KNOWN_PORTS + 1):
        ports.keep(f"/ip4/127.0.0.{number}/tcp/0", 1000 + number)
    ports = Ports(tmp_path / "ports.json")
    assert ports.again("/ip4/127.0.0.64/tcp/0") == "/ip4/127.0.0.64/tcp/1064"
    assert ports.again("/ip4/127.0.0.0/tcp/0") is None
    assert ports.again("/ip4/127.0.0.64/tcp/4717") is None


def test_peer_ids_and_keys_convert_both_ways() -> None:
    node = bytes(range(32))
    peer_id = identity.to_peer_id_bytes(node)
    assert base58.b58encode(peer_id).startswith(b"12D3KooW")
    assert identity.from_peer_id_bytes(peer_id) == node
    for other in (b"", peer_id[:-1], peer_id + b"\x00", b"\x12\x20" + bytes(32)):
        assert identity.from_peer_id_bytes(other) is None


def test_topics_carry_the_swarm() -> None:
    names = topics(b"\xab" * 32)
    assert names.forks == f"/symphony/{'ab' * 32}/forks/1"
    assert len(set(names)) == 2


def test_importing_the_light_half_does_not_load_libp2p() -> None:
    code = "import sys, symphony.net, symphony.net.limits; sys.exit('libp2p' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_node_that_listens_everywhere_names_its_loopback_address_last() -> None:
    """Often only the first address is told to others, and there it would be their own."""
    found = _concrete(Multiaddr("/ip4/0.0.0.0/tcp/7"))
    loopback = [address.startswith("/ip4/127.") for address in found]
    assert loopback == sorted(loopback)
    assert loopback[-1]
    assert all(address.endswith("/tcp/7") for address in found)
