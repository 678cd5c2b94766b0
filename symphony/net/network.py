"""The network as the node sees it: events in, frames and messages out.

Each connection is a `Session`; this module keeps the table of them, judges hellos, and dials.
`opening` starts and stops it.
"""

from __future__ import annotations

import logging
import os
import random
import time
from typing import Any

import trio
from libp2p.peer.id import ID

from ledger.keys import PrivateKey
from symphony.core.peers.admission import Admitted, Denied, Hello, Membership, check_hello
from symphony.errors import UsageError
from symphony.net import dialling, hello, identity, limits
from symphony.net.address_book import AddressBook
from symphony.net.doorman import Doorman
from symphony.net.events import Channel, NetEvent, PeerInfo
from symphony.net.gossip import make_gossip
from symphony.net.host import make_host
from symphony.net.reconnect import Reconnect
from symphony.net.redial import Redial
from symphony.net.session import Session
from symphony.net.settings import NetSettings

_log = logging.getLogger("symphony.net")


class Network:
    """An open network. Get one from `open_network`."""

    def __init__(
        self,
        settings: NetSettings,
        seed: bytes,
        membership: Membership,
        topics: tuple[str, ...],
        agent_version: str,
    ) -> None:
        self.node_id: bytes = PrivateKey.from_seed(seed).public
        self.addresses: tuple[str, ...] = ()
        self._outlet, self.events = trio.open_memory_channel[NetEvent](limits.EVENT_QUEUE)
        self.settings = settings
        self.topics = topics
        self._membership = membership
        self._agent_version = agent_version
        self._doorman = Doorman()
        self._connections: dict[int, Session] = {}
        self._peers: dict[bytes, Session] = {}
        self._book = AddressBook(settings.address_book)
        self._redial = Redial(random.SystemRandom().random)
        self._bootstrap = {
            address: dialling.parse_address(address)[0] for address in settings.bootstrap
        }
        self.reconnect = Reconnect(self, self._book, self._redial, self._bootstrap, self.dial)
        self.host = make_host(settings, seed, self._doorman)
        self.router, self.gossip = make_gossip(self.host, self, topics, settings.timing)
        self._wanted: dict[bytes, float] = {}
        """Peers that are to be dialled although there are enough, and until when."""
        self._news = trio.Event()
        self.nursery: trio.Nursery | None = None
        self.closing = False

    # -- for the node ----------------------------------------------------------------------

    def send(self, peer: bytes, frame: bytes, *, channel: Channel = Channel.DIRECT) -> bool:
        """Queue `frame` for `peer`. False if it is not connected or its queue is full.

        Raises `ValueError` for a frame over `limits.MAX_FRAME_BYTES`.
        """
        session = self._peers.get(peer)
        return session is not None and session.send(frame, channel)

    async def publish(self, topic: str, data: bytes) -> None:
        """Gossip `data`. Best effort: what gossip loses, synchronisation repairs.

        Raises `ValueError` for data over `limits.MAX_GOSSIP_BYTES` or an unknown topic.
        """
        if len(data) > limits.MAX_GOSSIP_BYTES:
            raise ValueError(f"{len(data)} bytes, at most {limits.MAX_GOSSIP_BYTES} are gossiped")
        if topic not in self.topics:
            raise ValueError(f"this network has no topic {topic!r}")
        await self.gossip.publish(topic, data)

    async def dial(self, address: str) -> bytes:
        """Connect to a full multiaddr and be admitted; the peer's key.

        Raises `UsageError` (not an address), `ConnectionError` (no answer, or another node
        answers), `ProtocolMismatch` (version or swarm), `AdmissionDenied` (any other rule).
        """
        peer, info = dialling.parse_address(address)
        if peer == self.node_id:
            raise UsageError("this is our own address", hint="dial another node")
        if peer in self._peers:
            return peer
        with trio.move_on_after(self.settings.timing.dial_s):
            sessions: list[Session] = []
            while not await self._admission(peer, address, sessions):
                for connection in await dialling.connect(self.host, info, address):
                    session = self.session_of(connection)
                    if session is not None:
                        sessions.append(session)
                        if session.outbound:
                            session.dialled = address
            return peer
        raise dialling.no_answer(address)

    async def disconnect(self, peer: bytes) -> None:
        """Close the connection to `peer` and leave its addresses alone for some minutes."""
        for address in self._book.addresses().get(peer, ()):
            self._redial.rest(address, trio.current_time())
        session = self._peers.get(peer)
        if session is not None:
            session.stop("disconnected by this node")
            await session.ended.wait()

    def ban(self, peer: bytes, seconds: float) -> None:
        """Disconnect `peer` and refuse it, and gossip signed by it, for so long."""
        self._doorman.ban(peer, trio.current_time() + seconds)
        for session in tuple(self._connections.values()):
            if session.peer == peer:
                session.stop("banned by this node")

    def revoke(self, invite: bytes) -> None:
        """The invite with this id is no longer good: whoever came with it has to go."""
        self._membership = self._membership.revoke(invite)
        for session in tuple(self._peers.values()):
            if session.accepted is not None and session.accepted.admitted.invite == invite:
                session.stop("its invite was revoked")

    def heard_of(self, peer: bytes, addresses: tuple[str, ...], *, wanted: bool = False) -> None:
        """Somebody says that a member can be dialled there; done if more peers are wanted, or if
        this one is `wanted` and there is room. Addresses that are not this peer's are left out.
        """
        own = [address for address in addresses if dialling.peer_of(address) == peer]
        if own:
            if wanted:
                self._wanted.pop(peer, None)
                self._wanted[peer] = trio.current_time() + limits.WANTED_S
                if len(self._wanted) > limits.MAX_WANTED:
                    del self._wanted[next(iter(self._wanted))]
            for address in own:
                self._book.heard(peer, address)
            self.reconnect.poke()

    def peers(self) -> tuple[PeerInfo, ...]:
        return tuple(session.info() for session in self._peers.values())

    # -- for sessions (`session.Room`) -----------------------------------------------------

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def say_hello(self) -> Hello:
        mine = self._membership
        return Hello(
            mine.genesis.protocol,
            mine.swarm_id,
            self._agent_version,
            os.urandom(16),
            mine.proof,
            self.addresses,
        )

    def judge(self, session: Session, theirs: Hello) -> Admitted | Denied | hello.Refused:
        """Shall the peer of this connection be admitted? The rule of the swarm, then ours."""
        if self._doorman.is_banned(session.peer, trio.current_time()):
            return hello.Refused(hello.BANNED, "this node has banned you for a while")
        verdict = check_hello(theirs, session.peer, self._membership, self.now_ms())
        if isinstance(verdict, Denied):
            return verdict
        if session.peer not in self._peers and len(self._peers) >= self.settings.max_peers:
            return hello.Refused(hello.BUSY, "this node has enough peers; try another")
        if not self._prefers(session):
            return hello.Refused(hello.DUPLICATE, "we are connected already")
        return verdict

    def known_addresses(self, peer: bytes) -> tuple[str, ...]:
        """Addresses of other members, to tell `peer`."""
        shared = [
            address
            for other, session in self._peers.items()
            if other != peer and (address := session.dialled or _own_address(session))
        ]
        return tuple(shared[: limits.MAX_SHARED_ADDRESSES])

    async def admit(self, session: Session) -> None:
        """Put the session into the table, after the one it replaces, if any, has ended."""
        assert session.accepted is not None
        old = self._peers.get(session.peer)
        if old is not None:
            old.stop("replaced by a newer connection")
            await old.ended.wait()
        self._peers[session.peer] = session
        if session.dialled:
            self._book.good(session.peer, session.dialled, self.now_ms())
        self._book.said(session.peer, dialling.belonging_to(session.peer, session.accepted.hello))
        for address in session.accepted.addresses:
            peer = dialling.peer_of(address)
            if peer is not None and peer != self.node_id:
                self._book.heard(peer, address)
        assert self.nursery is not None
        self.nursery.start_soon(self.gossip.ensure_peer_stream, self._libp2p_id(session.peer))
        self._tell_news()

    def release(self, session: Session) -> None:
        """Take an ended session out of the tables, before anybody hears that it ended."""
        assert self.nursery is not None
        del self._connections[id(session.muxed)]
        if self._peers.get(session.peer) is session:
            del self._peers[session.peer]
        # libp2p would keep the dead connection for 200 ms and hand it to the next dial.
        self.host.get_network().remove_conn(session.connection)
        self.nursery.start_soon(close_connection, session.connection)
        self._tell_news()

    async def emit(self, event: NetEvent) -> None:
        try:
            try:
                self._outlet.send_nowait(event)  # mostly there is room, and a turn is saved
            except trio.WouldBlock:
                await self._outlet.send(event)
        except trio.BrokenResourceError:
            return  # the node stopped listening: it is shutting down

    # -- for gossip (`gossip.Gate`) and for the reconnecting task ---------------------------

    def is_admitted(self, peer_id: Any) -> bool:
        peer = identity.from_peer_id_bytes(peer_id.to_bytes())
        return peer is not None and peer in self._peers

    def is_refused(self, peer_id: Any) -> bool:
        peer = identity.from_peer_id_bytes(peer_id.to_bytes())
        return peer is None or self._doorman.is_banned(peer, trio.current_time())

    async def wait_admitted(self, connection: Any) -> bool:
        session = self.session_of(connection)
        if session is None:
            return False
        await session.settled.wait()
        return session.up.is_set()

    def wants(self, peer: bytes, *, bootstrap: bool) -> bool:
        if peer == self.node_id or peer in self._peers:
            return False
        if self._doorman.is_banned(peer, trio.current_time()):
            return False
        if bootstrap or len(self._peers) < self.settings.target_peers:
            return True
        wanted = self._wanted.get(peer, 0.0) > trio.current_time()
        return wanted and len(self._peers) < self.settings.max_peers

    # -- inside ----------------------------------------------------------------------------

    def session_of(self, connection: Any) -> Session | None:
        """The session of a connection, started on first sight; None if it is not wanted."""
        key = id(connection.muxed_conn)
        if key in self._connections:
            return self._connections[key]
        if self.nursery is None or self.closing or connection.is_closed:
            return None
        peer = identity.from_peer_id_bytes(connection.muxed_conn.peer_id.to_bytes())
        strangers = sum(not known.settled.is_set() for known in self._connections.values())
        if peer is None or peer == self.node_id or strangers >= limits.QUARANTINE_CONNECTIONS:
            self.nursery.start_soon(close_connection, connection)
            return None
        outbound = connection.muxed_conn.is_initiator_value
        session = Session(self, connection, peer, outbound=outbound)
        self._connections[key] = session
        self.nursery.start_soon(session.run)
        self.nursery.start_soon(self._report_refusal, session)
        return session

    async def _report_refusal(self, session: Session) -> None:
        await session.settled.wait()
        if session.refused is not None:
            # It only lingers so that the peer can read why; the next dial must not get it.
            self.host.get_network().remove_conn(session.connection)
        self._tell_news()

    def _tell_news(self) -> None:
        self._news.set()
        self._news = trio.Event()
        self.reconnect.poke()

    async def _admission(self, peer: bytes, address: str, dialled: list[Session]) -> bool:
        """Wait until a connection to `peer` is admitted; False if there is none to wait for.

        Raises the error of the refusal when the connections that were `dialled` are refused.
        """
        while True:
            session = self._peers.get(peer)
            if session is not None and session.up.is_set():
                return True
            open_ones = [
                known
                for known in self._connections.values()
                if known.peer == peer and known.refused is None
            ]
            refusals = [known.refused for known in dialled if known.refused is not None]
            # A duplicate means that the other connection is about to be admitted.
            final = [refused for refused in refusals if refused.reason != hello.DUPLICATE]
            if final and not open_ones:
                raise dialling.refusal(address, final[-1])
            if not open_ones:
                await trio.sleep(limits.REDIAL_PAUSE_S if dialled else 0)
                return False
            await self._news.wait()

    def _prefers(self, session: Session) -> bool:
        """Of two connections to one peer, is this the one to keep?"""
        now_s = trio.current_time()
        for other in self._connections.values():
            if other is session or other.peer != session.peer or other.refused is not None:
                continue
            simultaneous = now_s - other.opened_s < limits.SIMULTANEOUS_S
            if simultaneous and other.outbound != session.outbound:
                return session.dialer < other.dialer
        return True

    def _libp2p_id(self, peer: bytes) -> Any:
        return ID(identity.to_peer_id_bytes(peer))


def _own_address(session: Session) -> str:
    """Where a connected peer says that it can be dialled; empty if nowhere."""
    if session.accepted is None:
        return ""
    return next(iter(dialling.belonging_to(session.peer, session.accepted.hello)), "")


async def close_connection(connection: Any) -> None:
    """Close a connection in the background, even while everything is being cancelled."""
    with trio.CancelScope(deadline=trio.current_time() + limits.CLOSE_S, shield=True):
        try:
            await connection.close()
        except Exception as error:  # noqa: BLE001  # it is being thrown away
            _log.debug("close: %r", error)
