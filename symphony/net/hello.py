"""The hello: four messages on one stream, after which both sides have accepted, or neither.

    dialer                          listener
      hello            ─────────►
                       ◄─────────   welcome (or refusal), hello
      welcome (or refusal) ──────►

A welcome repeats the nonce of the hello it answers, and tells addresses of other members, so
that one bootstrap node is enough to join a mesh. A refusal carries a reason and a sentence for
a person. Unknown fields are ignored; versions are compared in the hello itself, so that a
mismatch is said loudly instead of looking like a dead peer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias

import trio
from annotated_types import Len

from ledger.errors import DecodeError
from ledger.keys import signed_bytes
from symphony.core.peers.admission import Admitted, Denied, Hello, parse_hello
from symphony.core.peers.invite import Address
from symphony.core.wire import Codec, Id16
from symphony.net import frames, limits

PROTOCOL = "/symphony/hello/1"


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to the hello with this nonce; an empty reason means yes."""

    nonce: Id16
    reason: Annotated[str, Len(0, 32)] = ""
    text: Annotated[str, Len(0, 300)] = ""
    addresses: Annotated[tuple[Address, ...], Len(0, limits.MAX_SHARED_ADDRESSES)] = ()


_WELCOME: Codec[Welcome] = Codec(Welcome, max_bytes=limits.MAX_HELLO_BYTES)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Both sides said yes."""

    hello: Hello
    admitted: Admitted
    rtt_ms: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """One side said no. `reason` is a word of `Reason`, or one of the words below."""

    reason: str
    text: str


MALFORMED = "malformed"
BUSY = "busy"
BANNED = "banned"
DUPLICATE = "duplicate"
BROKEN = "broken"

Judge: TypeAlias = Callable[[Hello], Admitted | Denied | Refused]


class Duplex(Protocol):
    """The stream that the hello runs on."""

    async def read(self, size: int) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


async def greet(
    stream: Duplex, mine: Hello, judge: Judge, known: Callable[[], tuple[str, ...]]
) -> Accepted | Refused:
    """The dialer's side. Raises `EndOfStream` if the peer goes away."""
    reader = frames.FrameReader(stream.read, max_bytes=limits.MAX_HELLO_BYTES)
    started_s = trio.current_time()
    await stream.write(frames.encode(mine.encode()))
    try:
        answer = _parse_welcome(await reader.next(), mine)
        rtt_ms = _millis_since(started_s)
        if answer.reason:
            return Refused(answer.reason, answer.text)
        theirs = parse_hello(await reader.next())
    except (DecodeError, frames.FrameTooLarge) as error:
        return Refused(MALFORMED, f"the peer's hello does not parse: {error}")
    verdict = judge(theirs)
    await stream.write(frames.encode(_encode_welcome(theirs, verdict, known)))
    return _outcome(verdict, theirs, rtt_ms, answer.addresses)


async def answer(
    stream: Duplex, mine: Hello, judge: Judge, known: Callable[[], tuple[str, ...]]
) -> Accepted | Refused:
    """The listener's side. Raises `EndOfStream` if the peer goes away."""
    reader = frames.FrameReader(stream.read, max_bytes=limits.MAX_HELLO_BYTES)
    try:
        theirs = parse_hello(await reader.next())
        verdict = judge(theirs)
        reply = frames.encode(_encode_welcome(theirs, verdict, known))
        if not isinstance(verdict, Admitted):
            await stream.write(reply)
            return Refused(verdict.reason, verdict.text)
        started_s = trio.current_time()
        await stream.write(reply + frames.encode(mine.encode()))
        last = _parse_welcome(await reader.next(), mine)
    except (DecodeError, frames.FrameTooLarge) as error:
        return Refused(MALFORMED, f"the peer's hello does not parse: {error}")
    if last.reason:
        return Refused(last.reason, last.text)
    return _outcome(verdict, theirs, _millis_since(started_s), last.addresses)


def _outcome(
    verdict: Admitted | Denied | Refused, theirs: Hello, rtt_ms: int, addresses: tuple[str, ...]
) -> Accepted | Refused:
    if isinstance(verdict, Admitted):
        return Accepted(theirs, verdict, rtt_ms, addresses)
    return Refused(verdict.reason, verdict.text)


def _encode_welcome(
    theirs: Hello, verdict: Admitted | Denied | Refused, known: Callable[[], tuple[str, ...]]
) -> bytes:
    if isinstance(verdict, Admitted):
        welcome = Welcome(theirs.nonce, addresses=known())
    else:
        welcome = Welcome(theirs.nonce, str(verdict.reason), verdict.text[:300])
    return signed_bytes("welcome", _WELCOME.encode(welcome))


def _parse_welcome(data: bytes, mine: Hello) -> Welcome:
    prefix = signed_bytes("welcome", b"")
    if not data.startswith(prefix):
        raise DecodeError("not a welcome")
    welcome = _WELCOME.decode(data[len(prefix) :])
    if welcome.nonce != mine.nonce:
        raise DecodeError("a welcome that answers another hello")
    return welcome


def _millis_since(started_s: float) -> int:
    """Whole milliseconds, at least one."""
    return max(1, round((trio.current_time() - started_s) * 1000))
