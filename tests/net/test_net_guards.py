"""One test per trap of libp2p; each fails when its guard is taken away.

The attacker is a node of ours whose libp2p host is used directly, or a bare libp2p host.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import struct
from typing import Any

import libp2p
import libp2p.pubsub.pubsub as pubsub_module
import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.pb import rpc_pb2
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.stream_muxer.yamux import yamux
from libp2p.utils import encode_varint_prefixed
from multiaddr import Multiaddr
from net_rooms import TOPICS, WAIT_S, key, meet, network, until, wait_for

from symphony.errors import ConfigError, ConnectionError  # noqa: A004
from symphony.net import FrameSeen, GossipSeen, PeerDown, guards, limits
from symphony.net.host import require_libp2p
from symphony.net.network import Network

MESHSUB = "/meshsub/1.1.0"


def connection(dialer: Network, listener: Network) -> Any:
    (one,) = dialer.host.get_network().get_connections(listener.host.get_id())
    return one


async def is_well(victim: Network, peer: Network) -> None:
    """The victim still takes frames and gossip."""
    assert peer.send(victim.node_id, b"still there?")
    assert (await wait_for(victim, FrameSeen)).data == b"still there?"
    await until(lambda: victim.host.get_id() in peer.router.mesh.get(TOPICS.forks, ()))
    await peer.publish(TOPICS.forks, b"gossip too")
    assert (await wait_for(victim, GossipSeen, topic=TOPICS.forks)).data == b"gossip too"


async def test_trap_0_another_version_is_refused_at_start() -> None:
    require_libp2p()
    with pytest.raises(ConfigError, match=r"exactly 0\.8\.1"):
        require_libp2p("0.8.2")


async def test_trap_1_a_failing_validator_ends_only_its_message() -> None:
    async with network("a") as a, network("b") as b:
        await meet(a, b)
        before = sum(guards.swallowed.values())

        def fails(_peer: Any, _message: Any) -> bool:
            raise RuntimeError("a bug in a validator")

        b.gossip.set_topic_validator(TOPICS.entries, fails, is_async_validator=False)
        await until(lambda: b.host.get_id() in a.router.mesh.get(TOPICS.entries, ()))
        await a.publish(TOPICS.entries, b"boom")
        await until(lambda: sum(guards.swallowed.values()) > before)
        await is_well(b, a)


async def test_trap_2_a_malformed_key_rejects_the_message() -> None:
    hashed = b"\x12\x20" + hashlib.sha256(b"x").digest()  # an id that does not contain its key
    message = rpc_pb2.Message(
        data=b"x", topicIDs=[TOPICS.entries], from_id=hashed, seqno=b"1" * 8,
        signature=b"1" * 64, key=b"no key at all",
    )  # fmt: skip
    assert pubsub_module.signature_validator(message) is False


async def test_trap_3_an_inbound_slot_is_given_back() -> None:
    async with network("a", target_peers=0) as a, network("b") as b:
        a.host.get_network()._inbound_limiter = trio.CapacityLimiter(2)
        for _ in range(5):
            await meet(b, a)
            await b.disconnect(a.node_id)
            await wait_for(a, PeerDown)
            await until(lambda: not a.host.get_network()._inbound_limiter.borrowed_tokens)


async def test_trap_3_callers_are_counted_per_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with network("a") as a, network("b") as b:
        monkeypatch.setattr(a._doorman, "enter", lambda _address: False)
        with pytest.raises(ConnectionError):
            await b.dial(a.addresses[0])


@pytest.mark.parametrize(
    "packet",
    [
        encode_varint_prefixed(b"\xff\xff\xff\xff garbage"),
        b"\xff" * 11,
        b"\x80\x80\x80\x80\x08" + b"x" * 100,
        encode_varint_prefixed(rpc_pb2.RPC(senderRecord=b"\xff\xfe").SerializeToString()),
    ],
    ids=["not protobuf", "endless length", "2 GB announced", "bad record"],
)
async def test_trap_4_a_malformed_packet_ends_only_its_stream(packet: bytes) -> None:
    async with network("a") as a, network("b") as b:
        await meet(a, b)
        stream = await a.host.new_stream(b.host.get_id(), [MESHSUB])
        await stream.write(packet)
        await is_well(b, a)


async def test_trap_4_a_failing_handler_ends_only_its_stream() -> None:
    async def fails(_stream: Any) -> None:
        raise RuntimeError("a bug in a handler")

    async with network("a") as a, network("b") as b:
        await meet(a, b)
        b.host.set_stream_handler("/fails/1", fails)

        async def call() -> None:
            stream = await a.host.new_stream(b.host.get_id(), ["/fails/1"])
            await stream.read(1)

        with trio.fail_after(WAIT_S), pytest.raises(BaseLibp2pError):
            await call()
        await is_well(b, a)


async def test_trap_4_streams_of_one_peer_are_bounded() -> None:
    entered = 0

    async def holds(_stream: Any) -> None:
        nonlocal entered
        entered += 1
        await trio.sleep_forever()

    async with network("a") as a, network("b") as b:
        await meet(a, b)
        b.host.set_stream_handler("/holds/1", holds)
        refused = 0
        with trio.fail_after(WAIT_S):
            for _ in range(limits.STREAMS_PER_CONNECTION + 2):
                try:
                    await a.host.new_stream(b.host.get_id(), ["/holds/1"])
                except Exception:  # noqa: BLE001
                    refused += 1
        assert refused >= 2
        assert entered <= limits.STREAMS_PER_CONNECTION


async def test_trap_5_a_failed_dial_does_not_block_the_next() -> None:
    async with network("b") as b:
        address = b.addresses[0]
    async with network("a") as a:
        with pytest.raises(ConnectionError):
            await a.dial(address)
        listen = address.split("/p2p/")[0]
        async with network("b", listen=(listen,)) as b:
            with trio.fail_after(WAIT_S):
                assert await a.dial(address) == b.node_id


async def test_trap_6_plaintext_is_refused() -> None:
    """The attacker knows only the public key of the node that it claims to be."""
    own = create_new_key_pair()
    claimed = create_new_key_pair().public_key

    class PublicHalf:
        def get_public_key(self) -> Any:
            return claimed

    liar = InsecureTransport(own)
    liar.local_private_key = PublicHalf()
    liar.local_peer = ID.from_pubkey(claimed)
    host = libp2p.new_host(key_pair=own, sec_opt={PLAINTEXT_PROTOCOL_ID: liar})
    async with network("a") as a, host.run(listen_addrs=[]):
        with trio.fail_after(WAIT_S), pytest.raises(Exception, match="unable to connect"):
            await host.connect(info_from_p2p_addr(Multiaddr(a.addresses[0])))
        assert a.host.get_network().get_total_connections() == 0


async def test_trap_8_a_peer_that_ignores_the_window_fills_no_memory() -> None:
    async def reads_nothing(_stream: Any) -> None:
        await trio.sleep_forever()

    async with network("a") as a, network("b") as b:
        await meet(a, b)
        b.host.set_stream_handler("/holds/1", reads_nothing)
        stream = await a.host.new_stream(b.host.get_id(), ["/holds/1"])
        number = stream.muxed_stream.stream_id
        muxed = connection(a, b).muxed_conn
        piece = bytes(60_000)
        head = struct.pack(yamux.YAMUX_HEADER_FORMAT, 0, yamux.TYPE_DATA, 0, number, len(piece))
        with trio.fail_after(WAIT_S):
            for _ in range(2 * limits.STREAM_BUFFER_BYTES // len(piece)):
                await muxed.secured_conn.write(head + piece)
        await is_well(b, a)
        kept = connection(b, a).muxed_conn.stream_buffers.get(number, b"")
        assert len(kept) <= limits.STREAM_BUFFER_BYTES


async def test_trap_9_nothing_is_dialled_behind_our_back() -> None:
    async with network("a") as a, network("b") as b:
        store = a.host.get_peerstore()
        store.add_addrs(b.host.get_id(), [Multiaddr(b.addresses[0].split("/p2p/")[0])], 100)
        await a.host.get_network().auto_connector.maybe_connect()
        assert a.host.get_network().get_total_connections() == 0


async def test_trap_10_a_port_has_one_node() -> None:
    async with network("a") as a:
        taken = a.addresses[0].split("/p2p/")[0]
        port = taken.rpartition("/")[2]
        for address in (taken, f"/ip4/0.0.0.0/tcp/{port}"):
            with pytest.raises(ConfigError, match="another node or program") as caught:
                async with network("b", listen=(address,)):
                    raise AssertionError("two nodes on one port")
            assert caught.value.exit_code == 2
            assert re.search(r"--listen /ip4/[0-9.]+/tcp/0$", caught.value.hint)
    async with network("b", listen=(taken,)) as b:  # at once, when the first is gone
        both = (f"/ip4/0.0.0.0/tcp/{port}", f"/ip6/::/tcp/{port}")
        assert b.addresses[0].startswith(taken)
    async with network("b", listen=both):
        pass


async def test_a_stranger_who_says_nothing_is_cut_and_heard_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "QUARANTINE_S", 0.4)
    host = libp2p.new_host(key_pair=create_new_key_pair())
    async with network("a") as a, host.run(listen_addrs=[]):
        info = info_from_p2p_addr(Multiaddr(a.addresses[0]))
        with trio.fail_after(WAIT_S):
            await host.connect(info)
            for protocol in ("/symphony/direct/1", MESHSUB):
                stream = await host.new_stream(info.peer_id, [protocol])
                await stream.write(b"\x00\x00\x00\x05early")
            await until(lambda: not a._connections)
        assert a.events.statistics().current_buffer_used == 0


async def test_strangers_beyond_the_quarantine_are_cut_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "QUARANTINE_CONNECTIONS", 0)
    host = libp2p.new_host(key_pair=create_new_key_pair())
    async with network("a") as a, host.run(listen_addrs=[]):
        with trio.fail_after(WAIT_S):
            with contextlib.suppress(BaseLibp2pError):
                await host.connect(info_from_p2p_addr(Multiaddr(a.addresses[0])))
            await until(lambda: not host.get_network().get_total_connections())
        assert not a._connections


@pytest.mark.parametrize(
    "said",
    [b"\x00\x00\x00\x03???", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"],
    ids=["garbage", "too large", "empty"],
)
async def test_a_malformed_hello_is_refused(said: bytes) -> None:
    host = libp2p.new_host(key_pair=create_new_key_pair())
    async with network("a") as a, network("b") as b, host.run(listen_addrs=[]):
        info = info_from_p2p_addr(Multiaddr(a.addresses[0]))
        with trio.fail_after(WAIT_S):
            await host.connect(info)
            stream = await host.new_stream(info.peer_id, ["/symphony/hello/1"])
            await stream.write(said)
            await until(lambda: not a._connections)
        await meet(b, a)
        assert [info.node_id for info in a.peers()] == [key("b")]


async def test_an_oversized_frame_ends_the_session() -> None:
    async with network("a", target_peers=0) as a, network("b", target_peers=0) as b:
        await meet(a, b)
        session = a._peers[b.node_id]
        head = (limits.MAX_FRAME_BYTES + 1).to_bytes(4, "big")
        session._outboxes["/symphony/direct/1"]._frames.append(head)
        assert a.send(b.node_id, b"wakes the writer")
        assert "broke the protocol" in (await wait_for(b, PeerDown)).reason
