"""The traps of libp2p 0.8.1, closed. One function per trap; each has a test that fails without it.

Stock 0.8.1 speaks the protocol correctly but was not made to face strangers: one malformed
packet ends the process, and after 250 accepted connections in its life a host refuses everybody.
These patches replace private methods, so the exact version is asserted at start-up
(`host.require_libp2p`). They are wire-compatible: the other side can't tell.

    1  a failing background task, validator or packet ends only itself, not the process
    2  a malformed key in a gossip message rejects the message instead of raising
    3  an inbound slot is given back when its connection closes; callers are counted per address
    4  a failing stream handler ends only its stream; streams per connection are bounded
    5  a failed dial is not remembered against the next one (60 s in stock)
    6  only Noise is offered: stock also accepts plaintext, where a peer id is not proven (`host`)
    7  a peer that has gone silent is noticed: unanswered pings close the connection
    8  a stream's receive window is enforced: stock only logs and goes on buffering
    9  nothing is dialled behind our back: stock dials every peer it has heard of up to half its
       limit of connections, whatever the low watermark says
   10  a port belongs to one node: stock listens with SO_REUSEPORT, and the kernel then deals the
       callers of one port out to all who have it

Traps 1 to 3 and 10 are patched for the whole process, once (`install`); the others belong to one
host.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import libp2p.pubsub.pubsub as pubsub_module
import libp2p.transport.tcp.tcp as tcp_module
import trio
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from libp2p.stream_muxer.yamux import yamux
from libp2p.tools.anyio_service.trio_manager import TrioManager

from symphony.net import limits
from symphony.net.doorman import Doorman
from symphony.net.settings import Timing

_log = logging.getLogger("symphony.net.guards")

swallowed: Counter[str] = Counter()
"""How often each guarded place failed. For metrics and tests; bounded by the number of places."""

_installed = False


def install() -> None:
    """Patch the process, once. Harmless to call again."""
    global _installed  # noqa: PLW0603  # the patches are process-wide as well
    if _installed:
        return
    _installed = True
    guard_tasks()
    guard_keys()
    guard_slots()
    guard_ports()


def _note(place: str, error: BaseException) -> None:
    swallowed[place] += 1
    _log.debug("guarded %s: %r", place, error)


def _is_failure(error: BaseException) -> bool:
    """True for errors, also in groups; False where a cancellation must be passed on."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_failure(part) for part in error.exceptions)
    return isinstance(error, Exception)


def guard_tasks() -> None:
    """Trap 1. A task fails alone; a daemon (a heartbeat) starts again after a pause."""
    original = TrioManager.run_task

    def run_task(
        self: Any,
        async_fn: Callable[..., Awaitable[Any]],
        *args: Any,
        daemon: bool = False,
        name: str | None = None,
        _internal: bool = False,
    ) -> None:
        place = str(name or getattr(async_fn, "__qualname__", "task"))
        if _internal:
            original(self, async_fn, *args, daemon=daemon, name=name, _internal=True)
            return

        async def guarded(*task_args: Any) -> None:
            pause_s = 0.1
            while True:
                try:
                    await async_fn(*task_args)
                except BaseException as error:
                    if not _is_failure(error):
                        raise
                    _note(place, error)
                if not daemon:
                    return
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, 10.0)

        original(self, guarded, *args, daemon=daemon, name=place)

    TrioManager.run_task = run_task
    # Walks over all living tasks for every task that starts, to build a tree that nobody reads.
    TrioManager._find_parent_task = lambda _self, _task: None  # noqa: SLF001


def guard_keys() -> None:
    """Trap 2. The signature check raises on a key that does not parse."""
    original = pubsub_module.signature_validator

    def signature_validator(message: Any) -> bool:
        try:
            return bool(original(message))
        except Exception as error:  # noqa: BLE001  # whatever a hostile key provokes
            _note("signature_validator", error)
            return False

    pubsub_module.signature_validator = signature_validator


def guard_slots() -> None:
    """Trap 3. Stock keeps the slot and the task of an accepted connection until shutdown."""

    async def handle(self: Any, closer: Any, maddr: Any, _failure: Any) -> None:
        doorman: Doorman | None = getattr(self, "symphony_doorman", None)
        remote = closer.get_remote_address()
        address = remote[0] if remote else ""
        raw = RawConnection(closer, initiator=False)
        if doorman is not None and not doorman.enter(address):
            await _close_quietly(raw)
            return
        try:
            muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
            await muxed.event_closed.wait()
        except BaseException as error:
            if not _is_failure(error):
                raise
            _note("inbound connection", error)
        finally:
            if doorman is not None:
                doorman.leave(address)
            await _close_quietly(raw)

    Swarm._do_handle_inbound_connection = handle  # noqa: SLF001


def guard_ports() -> None:
    """Trap 10. The flag is there for hole punching, which we don't do. What is left lets a node
    have its port again while connections of its last run fade.
    """

    def set_flags(listener: Any) -> None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:  # or `::` would take the port of `0.0.0.0` as well
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)

    tcp_module._set_reuse_flags = set_flags  # noqa: SLF001


async def _close_quietly(closer: Any) -> None:
    with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
        try:
            await closer.close()
        except Exception as error:  # noqa: BLE001  # it is being thrown away
            _note("close", error)


def guard_host(host: Any, doorman: Doorman, timing: Timing) -> None:
    """Traps 3, 4, 7, 8 and 9, for one host, before it runs."""
    network = host.get_network()
    network.symphony_doorman = doorman
    muxer = network.upgrader.muxer_multistream
    muxer.new_conn = _new_conn(muxer, _guarded_yamux(timing))

    async def dial_nobody() -> None: ...

    network.auto_connector.maybe_connect = dial_nobody
    inner = network.common_stream_handler
    living: Counter[int] = Counter()

    async def handle(stream: Any) -> None:
        connection = id(stream.muxed_conn)
        living[connection] += 1
        try:
            if living[connection] > limits.STREAMS_PER_CONNECTION:
                await stream.reset()
            else:
                await inner(stream)
        except BaseException as error:
            if not _is_failure(error):
                raise
            _note(f"stream {stream.get_protocol() or '?'}", error)
            with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                await stream.reset()
        finally:
            living[connection] -= 1
            if not living[connection]:
                del living[connection]

    network.set_stream_handler(handle)


def forget_failed_dial(host: Any, peer_id: Any) -> None:
    """Trap 5. Our own back-off decides when to dial again."""
    host.get_network().unblock_peer(peer_id)


class _CappedBuffer(bytearray):
    """What a peer sent and nobody has read yet. Yamux marks the stream closed on the error."""

    def extend(self, data: Any) -> None:
        if len(self) + len(data) > limits.STREAM_BUFFER_BYTES:
            raise OverflowError("the peer ignores the receive window")
        super().extend(data)


class _CappedBuffers(dict[int, bytearray]):
    def __setitem__(self, stream: int, buffer: bytearray) -> None:
        super().__setitem__(stream, _CappedBuffer(buffer))


def _new_conn(muxer: Any, kind: Any) -> Any:
    """Stock names its own Yamux class here, whatever class the host was given."""

    async def new_conn(secured: Any, peer_id: Any) -> Any:
        protocol, _ = await muxer._selector.select(  # noqa: SLF001
            secured, secured.is_initiator, muxer.negotiate_timeout
        )
        muxed = kind(secured, peer_id, is_initiator=secured.is_initiator)
        return muxer._annotate_connection(muxed, secured, protocol)  # noqa: SLF001

    return new_conn


def _guarded_yamux(timing: Timing) -> type:
    """Traps 7 and 8: a Yamux whose pings matter and whose buffers are bounded."""

    class GuardedYamux(yamux.Yamux):  # type: ignore[misc]
        """Yamux with a pulse."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.stream_buffers = _CappedBuffers()
            self._ping_id: int = 0
            self.symphony_silent = False

        async def _measure_rtt_loop(self) -> None:
            """Ping for ever; an answer that does not come in time closes the connection."""
            while not self.event_shutting_down.is_set():
                with trio.move_on_after(timing.ping_timeout_s) as patience:
                    try:
                        await self._ping_once()
                    except Exception as error:  # noqa: BLE001  # the read loop reports it
                        _note("ping", error)
                        return
                if patience.cancelled_caught:
                    self.symphony_silent = True
                    with trio.CancelScope(shield=True):
                        await self._cleanup_on_error()
                    return
                with trio.move_on_after(timing.ping_every_s):
                    await self.event_shutting_down.wait()

        async def _ping_once(self) -> None:
            self._ping_id = (self._ping_id + 1) % 2**32
            self._ping_event = trio.Event()
            self._ping_sent_time = trio.current_time()
            ping = struct.pack(
                yamux.YAMUX_HEADER_FORMAT, 0, yamux.TYPE_PING, yamux.FLAG_SYN, 0, self._ping_id
            )
            await self._write_frame(ping)
            await self._ping_event.wait()

    return GuardedYamux
