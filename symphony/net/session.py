"""One connection to one peer, from its first byte to its last.

    quarantine ──accepted on both sides──► admitted ──► over
         └──────refused, silent or gone───────────────►

In quarantine the peer may only say hello. Once admitted, each side keeps one outgoing stream
per channel open, a one-way mailbox; what the peer sends comes in on the streams that the peer
opened. `PeerUp` is the first event of an admitted peer and `PeerDown` the last: the readers run
inside the session and are stopped before it says that it is over.

Two nodes that dial each other at the same time get two connections. Both judge alike: the one
dialled by the smaller key stays. A connection that comes later replaces the older one, because
then the peer must have lost that.
"""

from __future__ import annotations

from typing import Any, Protocol

import trio

from symphony.core.peers.admission import Admitted, Denied, Hello
from symphony.net import frames, hello, limits
from symphony.net.events import Channel, FrameSeen, NetEvent, PeerDown, PeerInfo, PeerUp
from symphony.net.outbox import Outbox
from symphony.net.streams import ProtocolRefused, Stream, open_stream


class Room(Protocol):
    """What a session needs from the network it belongs to."""

    node_id: bytes
    host: Any

    def say_hello(self) -> Hello: ...

    def judge(self, session: Session, theirs: Hello) -> Admitted | Denied | hello.Refused: ...

    def known_addresses(self, peer: bytes) -> tuple[str, ...]: ...

    async def admit(self, session: Session) -> None: ...

    def release(self, session: Session) -> None: ...

    async def emit(self, event: NetEvent) -> None: ...

    def now_ms(self) -> int: ...


class Session:
    """A connection with its admission, its streams and its end."""

    def __init__(self, room: Room, connection: Any, peer: bytes, *, outbound: bool) -> None:
        self._room = room
        self.connection = connection
        self.peer = peer
        self.outbound = outbound
        self.dialled = ""
        self.opened_s = trio.current_time()
        self.settled = trio.Event()
        """The admission is decided: `accepted` or `refused` says how."""
        self.up = trio.Event()
        self.ended = trio.Event()
        self.accepted: hello.Accepted | None = None
        self.refused: hello.Refused | None = None
        self._answered = trio.Event()
        self._heard = False
        self._since_ms = 0
        self._stop_reason = ""
        self._outboxes = {channel: Outbox() for channel in Channel}
        self._inbound: set[Channel] = set()
        self._nursery: trio.Nursery | None = None

    @property
    def muxed(self) -> Any:
        return self.connection.muxed_conn

    @property
    def dialer(self) -> bytes:
        return self._room.node_id if self.outbound else self.peer

    @property
    def address(self) -> str:
        """Where we dialled the peer; for one that dialled us, the other end of the socket."""
        if self.dialled:
            return self.dialled
        remote = self.muxed.get_remote_address()
        if remote is None:
            return ""
        family = "ip6" if ":" in remote[0] else "ip4"
        return f"/{family}/{remote[0]}/tcp/{remote[1]}"

    def info(self) -> PeerInfo:
        """What is known about an admitted peer. Only for sessions that are up."""
        assert self.accepted is not None
        measured_s: float = self.muxed.rtt()
        return PeerInfo(
            node_id=self.peer,
            address=self.address,
            rtt_ms=max(1, round(measured_s * 1000)) if measured_s else self.accepted.rtt_ms,
            inbound=not self.outbound,
            agent_version=self.accepted.hello.agent_version,
            scope=self.accepted.admitted.scope,
            since_ms=self._since_ms,
        )

    def send(self, frame: bytes, channel: Channel) -> bool:
        return self._outboxes[channel].put(frame)

    def stop(self, reason: str) -> None:
        """End the session soon; wait for `ended` to know that it has."""
        if not self._stop_reason:
            self._stop_reason = reason
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def run(self) -> None:
        """Live as long as the connection. Closing it is left to the caller."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if self._stop_reason:
                    nursery.cancel_scope.cancel()
                nursery.start_soon(self._watch)
                await self._settle()
                if self.accepted is not None:
                    await self._serve(nursery)
                else:
                    await self._linger()
                nursery.cancel_scope.cancel()
        finally:
            if self.refused is None and self.accepted is None:
                self.refused = hello.Refused(hello.BROKEN, self._why_over())
            self.settled.set()
            self._room.release(self)
            try:
                if self.up.is_set():
                    await self._room.emit(PeerDown(self.peer, self._why_over()))
            finally:
                self.ended.set()

    async def hear(self, stream: Stream) -> None:
        """Answer the hello that the peer, who dialled, opened this stream for."""
        if self.outbound or self._heard:
            await stream.reset()
            return
        self._heard = True
        self._note(await self._shake_hands(hello.answer, stream))
        self._answered.set()

    async def receive(self, channel: Channel, stream: Stream) -> None:
        """Read the peer's mailbox until it ends; at most one stream per channel."""
        with trio.move_on_after(limits.QUARANTINE_S):
            await self.up.wait()
        if not self.up.is_set() or self._nursery is None or channel in self._inbound:
            await stream.reset()
            return
        finished = trio.Event()
        self._inbound.add(channel)
        self._nursery.start_soon(self._read, channel, stream, finished)
        await finished.wait()

    async def _watch(self) -> None:
        """The connection's end is ours, at once: a killed peer is noticed by its EOF."""
        await self.muxed.event_closed.wait()
        silent = getattr(self.muxed, "symphony_silent", False)
        self.stop("the peer went silent" if silent else "the connection was closed")

    async def _settle(self) -> None:
        """Quarantine: a bounded wait for the hello."""
        with trio.move_on_after(limits.QUARANTINE_S) as patience:
            if self.outbound:
                try:
                    stream = await open_stream(self._room.host, self.connection, hello.PROTOCOL)
                except ProtocolRefused:
                    text = "the other side is not a Symphony node, or an incompatible one"
                    self._note(hello.Refused("version", text))
                except frames.EndOfStream:
                    self._note(hello.Refused(hello.BROKEN, "the peer closed the connection"))
                else:
                    self._note(await self._shake_hands(hello.greet, stream))
            else:
                await self._answered.wait()
        if patience.cancelled_caught:
            text = f"no hello within {limits.QUARANTINE_S:.0f} s"
            self._note(hello.Refused(hello.BROKEN, text))
        if self.refused is not None:
            self.settled.set()

    async def _shake_hands(self, side: Any, stream: Stream) -> hello.Accepted | hello.Refused:
        try:
            outcome: hello.Accepted | hello.Refused = await side(
                stream,
                self._room.say_hello(),
                lambda theirs: self._room.judge(self, theirs),
                lambda: self._room.known_addresses(self.peer),
            )
        except frames.EndOfStream:
            return hello.Refused(hello.BROKEN, "the peer closed the connection")
        return outcome

    def _note(self, outcome: hello.Accepted | hello.Refused) -> None:
        if isinstance(outcome, hello.Accepted):
            self.accepted = outcome
        else:
            self.refused = outcome

    async def _linger(self) -> None:
        """Let the refused peer read why, then cut."""
        with trio.move_on_after(limits.DENIAL_LINGER_S):
            await trio.sleep_forever()

    async def _serve(self, nursery: trio.Nursery) -> None:
        assert self.accepted is not None
        await self._room.admit(self)
        self._since_ms = self._room.now_ms()
        admitted, rtt_ms = self.accepted.admitted, self.accepted.rtt_ms
        observer = admitted.scope == "observer"
        up = PeerUp(self.peer, self.address, rtt_ms, admitted.operator, observer)
        await self._room.emit(up)
        self.up.set()
        self.settled.set()
        for channel, outbox in self._outboxes.items():
            nursery.start_soon(self._write, channel, outbox)
        await trio.sleep_forever()

    async def _write(self, channel: Channel, outbox: Outbox) -> None:
        try:
            stream = await open_stream(self._room.host, self.connection, channel)
            await outbox.drain(stream.write)
        except frames.EndOfStream:
            self.stop(f"the peer closed its {channel.name.lower()} mailbox")
        except ProtocolRefused:
            self.stop(f"the peer does not open its {channel.name.lower()} mailbox")

    async def _read(self, channel: Channel, stream: Stream, finished: trio.Event) -> None:
        reader = frames.FrameReader(stream.read)
        try:
            while True:
                data = await reader.next()
                await self._room.emit(FrameSeen(self.peer, channel, data))
        except frames.FrameTooLarge as error:
            await stream.reset()
            self.stop(f"the peer broke the protocol: {error}")
        except frames.EndOfStream:
            return
        finally:
            self._inbound.discard(channel)
            finished.set()

    def _why_over(self) -> str:
        return self._stop_reason or "the network was closed"
