"""libp2p streams as the rest of this package wants them: bytes in, bytes out, one way to end.

libp2p raises a dozen exceptions (KeyError among them) for the one fact that a stream is over.
Here they all become `EndOfStream`. Reads and writes go to the Yamux stream directly; the layer
above it only adds locks.
"""

from __future__ import annotations

import logging
from typing import Any

from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from symphony.net import limits
from symphony.net.frames import EndOfStream

_log = logging.getLogger("symphony.net.streams")


class ProtocolRefused(Exception):
    """The peer does not speak the protocol that was asked for."""


class Stream:
    """One stream of bytes to or from one peer."""

    __slots__ = ("_muxed", "_stream")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._muxed = stream.muxed_stream

    async def read(self, size: int) -> bytes:
        """Between 1 and `size` bytes. Raises `EndOfStream`."""
        try:
            data: bytes = await self._muxed.read(size)
        except Exception as error:
            raise EndOfStream from error
        return data

    async def write(self, data: bytes) -> None:
        """All of `data`; waits while the peer does not read. Raises `EndOfStream`."""
        try:
            await self._muxed.write(data)
        except Exception as error:
            raise EndOfStream from error

    async def reset(self) -> None:
        """Drop the stream in both directions. Never raises because it is gone already."""
        try:
            await self._stream.reset()
        except Exception as error:  # noqa: BLE001  # it is gone already
            _log.debug("reset: %r", error)


async def open_stream(host: Any, connection: Any, protocol: str) -> Stream:
    """A new stream for `protocol` on this very connection.

    Raises `EndOfStream` if the connection ends, `ProtocolRefused` if the peer does not know the
    protocol or does not answer in `limits.STREAM_OPEN_S`.
    """
    try:
        stream = await connection.new_stream()
        try:
            chosen = await host.multiselect_client.select_one_of(
                [protocol], MultiselectCommunicator(stream), limits.STREAM_OPEN_S
            )
        except MultiselectClientError as error:
            if connection.muxed_conn.is_closed:
                raise EndOfStream from error
            await Stream(stream).reset()
            raise ProtocolRefused(protocol) from error
        stream.set_protocol(chosen)
    except Exception as error:
        raise EndOfStream from error
    return Stream(stream)
