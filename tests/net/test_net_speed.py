"""The speed patches do what they say, and gossip names its messages by content."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from libp2p.io.exceptions import MessageTooLarge
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.security.secure_session import SecureSession
from libp2p.stream_muxer.yamux import yamux
from libp2p.utils import encode_varint_prefixed
from net_rooms import TOPICS, meet, network, until, wait_for

from symphony.net import FrameSeen, GossipSeen, gossip, limits, tuning


async def test_many_small_reads_cost_few_window_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = 0
    send_window_update = yamux.YamuxStream.send_window_update

    async def counted(self: Any, increment: int, *args: Any) -> None:
        nonlocal updates
        updates += 1
        await send_window_update(self, increment, *args)

    monkeypatch.setattr(yamux.YamuxStream, "send_window_update", counted)
    async with network("a") as a, network("b") as b:
        await meet(a, b)
        updates = 0
        for number in range(50):
            assert a.send(b.node_id, bytes([number]) * 200)
            await wait_for(b, FrameSeen)
        assert updates < 5


@given(st.lists(st.binary(max_size=400), max_size=6), st.integers(1, 90))
def test_packets_come_back_however_they_are_cut(packets: list[bytes], cut: int) -> None:
    data = b"".join(encode_varint_prefixed(packet) for packet in packets)
    buffer, got = bytearray(), []
    for start in range(0, len(data), cut):
        buffer += data[start : start + cut]
        while (packet := tuning._cut_packet(buffer, 1000)) is not None:
            got.append(packet)
    assert got == packets
    assert not buffer


def test_a_packet_over_the_cap_is_refused_by_its_head() -> None:
    with pytest.raises(MessageTooLarge):
        tuning._cut_packet(bytearray(b"\xff\x7f"), 1000)


async def test_queues_hold_what_stock_would_lose() -> None:
    tuning.install()
    queue = RpcQueue()
    assert all(queue.push(rpc_pb2.RPC()) for _ in range(limits.GOSSIP_QUEUE))
    assert not queue.push(rpc_pb2.RPC())
    assert queue.max_message_size == limits.MAX_RPC_BYTES


class StalledStream:
    """As much of a Yamux stream as the writer looks at; its peer does not read for a while."""

    def __init__(self) -> None:
        self.send_closed = self.closed = False
        self.send_window = 0
        self.stream_id = 1
        self.conn = self
        self.event_shutting_down = trio.Event()
        self.written = b""

    async def _write_frame(self, frame: bytes) -> None:
        head = struct.calcsize(yamux.YAMUX_HEADER_FORMAT)
        self.written += frame[head:]
        await trio.lowlevel.checkpoint()


async def test_a_writer_waits_for_its_reader_longer_than_five_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tuning.install()
    stream = StalledStream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(yamux.YamuxStream.write, stream, b"a word" * 20_000)
        await trio.sleep(60)
        assert stream.written == b""
        stream.send_window = 10
        await trio.sleep(1)
        assert len(stream.written) == 10
        stream.send_window = 10**6
    assert stream.written == b"a word" * 20_000
    assert autojump_clock.rate == 0


class Messages:
    """The Noise messages of a connection, one after the other; then it stays silent."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = list(messages)

    async def read_msg(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._messages:
            await trio.sleep_forever()
        return self._messages.pop(0)


async def read_bodies(*parts: bytes, lengths: tuple[int, ...]) -> list[bytes]:
    """Read bodies of these lengths out of a channel that gets these messages."""
    muxer: Any = object.__new__(yamux.Yamux)
    muxer.secured_conn = channel = object.__new__(SecureSession)
    channel._reset_internal_buffer()
    channel.conn = Messages(*parts)  # type: ignore[assignment]
    assert await channel.read(2) == b"hd"
    return [await muxer._read_data_body(length) for length in lengths]


@pytest.mark.parametrize("parts", [[b"hdonetwo"], [b"hd", b"onetwo"], [b"hdo", b"net", b"wo"]])
async def test_a_body_is_whole_however_it_is_cut(parts: list[bytes]) -> None:
    tuning.install()
    assert await read_bodies(*parts, lengths=(3, 3)) == [b"one", b"two"]


async def test_a_body_that_never_comes_is_waited_for_with_a_bound(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tuning.install()
    with pytest.raises(trio.TooSlowError):
        await read_bodies(b"hdon", lengths=(3,))
    assert autojump_clock.rate == 0


def message(**fields: Any) -> Any:
    values = {"data": b"d", "topicIDs": [TOPICS.entries], "from_id": b"f", "seqno": b"1"}
    return rpc_pb2.Message(**(values | fields))


def test_a_message_is_named_by_topic_signer_and_data() -> None:
    name = gossip.message_id(message())
    assert gossip.message_id(message(seqno=b"2", signature=b"s")) == name
    others = [{"data": b"e"}, {"topicIDs": [TOPICS.forks]}, {"from_id": b"g"}]
    assert len({name, *(gossip.message_id(message(**other)) for other in others)}) == 4


async def test_what_was_seen_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def emit_iwant(wanted: Any, _peer: Any) -> None:
        asked.append(wanted)
        await trio.lowlevel.checkpoint()

    heard = trio.Event()
    async with network("a") as a, network("b") as b:
        await meet(a, b)
        monkeypatch.setattr(b.router, "emit_iwant", emit_iwant)
        handle_ihave = b.router.handle_ihave

        async def ihave(control: Any, sender: Any) -> None:
            await handle_ihave(control, sender)
            heard.set()

        monkeypatch.setattr(b.router, "handle_ihave", ihave)
        await until(lambda: b.host.get_id() in a.router.mesh.get(TOPICS.entries, ()))
        await a.publish(TOPICS.entries, b"once")
        await wait_for(b, GossipSeen)
        advertised = a.router.mcache.window(TOPICS.entries)
        assert len(advertised) == 1
        await a.router.emit_ihave(TOPICS.entries, advertised, b.host.get_id())
        with trio.fail_after(5):
            await heard.wait()
        assert asked == []
