"""Open, dial, send, publish, lose and find again: whole networks over loopback sockets."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest
import trio
from net_rooms import (
    INVITE,
    OPEN,
    TOPICS,
    WAIT_S,
    invite,
    key,
    meet,
    member,
    network,
    until,
    wait_for,
)
from structlog.testing import capture_logs

from symphony.core.peers.admission import Membership
from symphony.errors import (
    AdmissionDenied,
    ConfigError,
    ConnectionError,  # noqa: A004
    ProtocolMismatch,
    UsageError,
)
from symphony.net import Channel, FrameSeen, GossipSeen, PeerDown, PeerUp, limits
from symphony.net.network import Network


async def test_frames_travel_both_ways_in_order_and_at_full_size() -> None:
    async with network("a") as a, network("b") as b:
        await meet(a, b)
        sent = [bytes([number]) * size for number, size in enumerate((0, 1, 70_000))]
        sent.append(bytes(limits.MAX_FRAME_BYTES))
        assert all(a.send(b.node_id, frame) for frame in sent)
        assert b.send(a.node_id, b"sync", channel=Channel.SYNC)
        got = [await wait_for(b, FrameSeen) for _ in sent]
        assert got == [FrameSeen(a.node_id, Channel.DIRECT, frame) for frame in sent]
        assert await wait_for(a, FrameSeen) == FrameSeen(b.node_id, Channel.SYNC, b"sync")


async def test_peers_tell_who_is_there() -> None:
    async with network("a") as a, network("b") as b:
        assert a.node_id == key("a")
        await meet(a, b)
        (of_b,), (of_a,) = a.peers(), b.peers()
        assert (of_b.node_id, of_b.inbound, of_b.agent_version) == (b.node_id, False, "symphony/b")
        assert (of_a.node_id, of_a.inbound, of_a.scope) == (a.node_id, True, "member")
        assert of_b.address == b.addresses[0]
        assert of_b.rtt_ms >= 1
        assert await a.dial(b.addresses[0]) == b.node_id


async def test_a_frame_for_a_stranger_is_not_taken() -> None:
    async with network("a") as a:
        assert not a.send(key("nobody"), b"x")


async def test_a_reader_that_stops_holds_the_sender_back_and_loses_nothing() -> None:
    frame = bytes(100_000)
    async with network("a") as a, network("b") as b:
        await meet(a, b)
        taken = 0
        with trio.fail_after(20):
            while True:
                if a.send(b.node_id, taken.to_bytes(4, "big") + frame):
                    taken += 1
                    await trio.lowlevel.checkpoint()
                elif taken > limits.EVENT_QUEUE:
                    break
                else:  # the outbox is full, but the queues beyond it are not yet
                    await trio.sleep(0.01)
            got = [await b.events.receive() for _ in range(taken)]
        order = [int.from_bytes(event.data[:4], "big") for event in got]
        assert order == list(range(taken))


async def test_gossip_reaches_a_peer_that_is_not_a_neighbour() -> None:
    async with (
        network("a", target_peers=1) as a,
        network("b", target_peers=1) as b,
        network("c", target_peers=1) as c,
    ):
        await meet(a, b)
        await meet(c, b)
        await until(lambda: _in_mesh(b, a, c) and _in_mesh(a, b) and _in_mesh(c, b))
        await a.publish(TOPICS.entries, b"who wants this?")
        seen = await wait_for(c, GossipSeen)
        assert seen == GossipSeen(TOPICS.entries, a.node_id, b"who wants this?")
        assert {info.node_id for info in c.peers()} == {b.node_id}


def _in_mesh(net: Network, *others: Network) -> bool:
    mesh = {str(peer) for peer in net.router.mesh.get(TOPICS.entries, ())}
    return mesh == {str(other.host.get_id()) for other in others}


async def test_who_is_wanted_is_dialled_although_there_are_peers_enough_and_room() -> None:
    async with (
        network("a", target_peers=1, max_peers=2) as a,
        network("b", target_peers=0) as b,
        network("c", target_peers=0) as c,
        network("d", target_peers=0) as d,
    ):
        await meet(a, b)
        a.heard_of(c.node_id, c.addresses)
        assert not a.wants(c.node_id, bootstrap=False)
        a.heard_of(c.node_id, c.addresses, wanted=True)
        await wait_for(a, PeerUp, peer=c.node_id)
        a.heard_of(d.node_id, d.addresses, wanted=True)
        assert not a.wants(d.node_id, bootstrap=False)


async def test_what_cannot_be_published_is_refused_at_once() -> None:
    async with network("a") as a:
        with pytest.raises(ValueError, match="gossiped"):
            await a.publish(TOPICS.entries, bytes(limits.MAX_GOSSIP_BYTES + 1))
        with pytest.raises(ValueError, match="no topic"):
            await a.publish("/elsewhere", b"")


async def test_a_peer_that_closes_is_down_and_can_come_back() -> None:
    async with network("a") as a:
        for _ in range(2):
            async with network("b") as b:
                await meet(b, a)
            down = await wait_for(a, PeerDown, peer=key("b"))
            assert down.reason
            assert a.peers() == ()
            assert not a.send(key("b"), b"x")


async def test_disconnect_is_seen_on_both_sides() -> None:
    async with network("a") as a, network("b") as b:
        await meet(a, b)
        with trio.fail_after(WAIT_S):
            await a.disconnect(b.node_id)
        assert (await wait_for(a, PeerDown)).reason == "disconnected by this node"
        await wait_for(b, PeerDown, peer=a.node_id)


async def test_a_banned_peer_goes_and_stays_out_until_the_ban_ends() -> None:
    async with network("a") as a, network("b") as b:
        await meet(b, a)
        a.ban(b.node_id, seconds=0.5)
        await wait_for(a, PeerDown, peer=b.node_id)
        await wait_for(b, PeerDown, peer=a.node_id)
        with pytest.raises(AdmissionDenied, match="banned"):
            await b.dial(a.addresses[0])
        with trio.fail_after(WAIT_S):
            while True:
                try:
                    await b.dial(a.addresses[0])
                    break
                except AdmissionDenied:
                    await trio.sleep(0.1)


async def test_bootstrap_is_dialled_until_it_answers() -> None:
    async with network("a") as a:
        address = a.addresses[0]
        port = int(address.split("/")[4])
    async with network("b", bootstrap=(address,)) as b:
        await until(lambda: b.reconnect.failures)
        async with network("a", listen=(f"/ip4/127.0.0.1/tcp/{port}",)) as a:
            await wait_for(b, PeerUp, peer=a.node_id)
        await wait_for(b, PeerDown, peer=key("a"))
        async with network("a", listen=(f"/ip4/127.0.0.1/tcp/{port}",)) as a:
            await wait_for(b, PeerUp, peer=a.node_id)


async def test_one_bootstrap_node_is_enough_for_a_full_mesh() -> None:
    async with network("a") as a:
        bootstrap = (a.addresses[0],)
        async with network("b", bootstrap=bootstrap) as b, network("c", bootstrap=bootstrap) as c:
            with trio.fail_after(WAIT_S):
                for net in (a, b, c):
                    ups = {(await wait_for(net, PeerUp)).peer for _ in range(2)}
                    assert ups == {a.node_id, b.node_id, c.node_id} - {net.node_id}


async def test_two_who_dial_each_other_at_once_end_with_one_connection() -> None:
    async with network("a") as a, network("b") as b:
        with trio.fail_after(WAIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.dial, b.addresses[0])
                nursery.start_soon(b.dial, a.addresses[0])
            await wait_for(a, PeerUp)
            await wait_for(b, PeerUp)
            assert a.send(b.node_id, b"still here")
            assert (await wait_for(b, FrameSeen)).data == b"still here"
        assert len(a.peers()) == len(b.peers()) == 1


async def test_the_address_book_finds_the_swarm_again(tmp_path: Path) -> None:
    book = tmp_path / "peers.json"
    async with network("a") as a:
        async with network("b", address_book=book) as b:
            await meet(b, a)
            await until(book.exists)
        async with network("b", address_book=book) as b:
            await wait_for(b, PeerUp, peer=a.node_id)


async def test_a_free_port_is_kept_so_that_all_may_start_again(tmp_path: Path) -> None:
    books = [{"address_book": tmp_path / f"{name}.book", "ports": tmp_path / name} for name in "ab"]
    async with network("a", **books[0]) as a, network("b", **books[1]) as b:
        before = a.addresses[0]
        await meet(b, a)
        await until(books[1]["address_book"].exists)
    assert stat.S_IMODE(books[0]["ports"].stat().st_mode) == 0o600
    async with network("b", **books[1]) as b, network("a", **books[0]) as a:
        assert a.addresses[0] == before
        await wait_for(b, PeerUp, peer=a.node_id)


async def test_a_kept_port_that_is_taken_is_left_and_said(tmp_path: Path) -> None:
    async with network("a", ports=tmp_path / "a") as a:
        before = a.addresses[0]
    async with network("b", listen=(before.split("/p2p/")[0],)):
        with capture_logs() as lines:
            async with network("a", ports=tmp_path / "a") as a:
                after = a.addresses[0]
        assert after != before
        assert [line["event"] for line in lines] == ["port_taken"]
    async with network("a", ports=tmp_path / "a") as a:
        assert a.addresses[0] == after


async def test_a_member_with_an_invite_meets_a_member_with_another() -> None:
    one, two = invite(), invite(secret=b"2" * 32, scope="observer")
    members = member("a", one), member("b", two)
    assert [mine.observes for mine in members] == [False, True]
    async with network("a", members[0]) as a, network("b", members[1]) as b:
        await a.dial(b.addresses[0])
        await wait_for(a, PeerUp, peer=b.node_id, observer=True)
        await wait_for(b, PeerUp, peer=a.node_id, observer=False)
        assert [info.scope for info in a.peers()] == ["observer"]


@pytest.mark.parametrize("dials", ["stranger", "member"])
async def test_a_stranger_is_refused_whoever_dials(dials: str) -> None:
    async with (
        network("m", member("m", invite())) as m,
        network("s", Membership(INVITE)) as s,
    ):
        dialer, listener = (s, m) if dials == "stranger" else (m, s)
        with pytest.raises(AdmissionDenied, match="invite"):
            await dialer.dial(listener.addresses[0])
        assert m.peers() == s.peers() == ()
        assert not m.send(s.node_id, b"x")


async def test_a_revoked_invite_puts_its_node_out() -> None:
    made, other = invite(), invite(secret=b"2" * 32)
    async with network("a", member("a", made)) as a, network("b", member("b", other)) as b:
        await meet(a, b)
        b.revoke(made.id)
        assert "revoked" in (await wait_for(b, PeerDown)).reason
        await wait_for(a, PeerDown, peer=b.node_id)
        with pytest.raises(AdmissionDenied, match="revoked"):
            await a.dial(b.addresses[0])


@pytest.mark.parametrize("fields", [{"nonce": b"x" * 16}, {"protocol": 2}])
async def test_another_swarm_or_version_is_a_mismatch(fields: dict[str, object]) -> None:
    other = Membership(dataclasses.replace(OPEN, **fields))
    async with network("a") as a, network("b", other) as b:
        with pytest.raises(ProtocolMismatch):
            await a.dial(b.addresses[0])


async def test_dial_errors_are_typed() -> None:
    async with network("a") as a:
        own = a.addresses[0]
        with pytest.raises(UsageError, match="our own"):
            await a.dial(own)
        for text in ("", "/ip4/127.0.0.1/tcp/1", "http://example.org", "/ip4/1.2.3.4/p2p/x"):
            with pytest.raises(UsageError, match="full address"):
                await a.dial(text)
        async with network("b") as b:
            wrong = b.addresses[0].replace(b.addresses[0].split("/")[-1], own.split("/")[-1])
            async with network("c") as c:
                with pytest.raises(ConnectionError, match="something else"):
                    await c.dial(wrong)
            gone = b.addresses[0]
        with pytest.raises(ConnectionError, match="no node answers"):
            await a.dial(gone)


async def test_a_full_node_says_busy() -> None:
    async with network("a", max_peers=1) as a, network("b") as b, network("c") as c:
        await meet(b, a)
        with pytest.raises(ConnectionError, match="enough peers"):
            await c.dial(a.addresses[0])


async def test_an_address_that_is_taken_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="can't listen"):
        async with network("a", listen=("/ip4/192.0.2.1/tcp/4001",)):
            raise AssertionError("it listened on an address of another machine")


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with network("a"):
            raise LookupError("mine")


async def test_closing_is_quick_with_live_peers() -> None:
    async with network("b") as b, network("c") as c:
        async with network("a") as a:
            await meet(a, b)
            await meet(a, c)
            started_s = trio.current_time()
        assert trio.current_time() - started_s < 3.0
