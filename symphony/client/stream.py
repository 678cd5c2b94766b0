"""Server-sent events from bytes, without I/O, and the bookkeeping of a followed task.

`Decoder` is fed whatever arrives and gives whole events. It is our own because the async
iterators of the HTTP library nest without closing each other: leaving such a loop early would
leave generators to the garbage collector, which trio rightly reports. Bytes in, events out, and
the two thin loops (`sync`, `aio`) hold exactly one iterator each.

`Follow` knows where a task's events were when the connection broke, and whether to go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from symphony.client import limits
from symphony.client.answer import TaskEvent
from symphony.client.faults import error_in
from symphony.errors import ConnectionError as Unreachable
from symphony.errors import ProtocolMismatch


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it was sent."""

    name: str
    data: str
    number: str


class Decoder:
    """Bytes to events, by the HTML standard. Raises `ProtocolMismatch` on an endless event."""

    def __init__(self) -> None:
        self._rest = b""
        self._size = 0
        self._fields: dict[str, list[str]] = {}

    def feed(self, data: bytes) -> Iterator[Sent]:
        """The events that `data` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
        if self._size + len(self._rest) > limits.MAX_EVENT_BYTES:
            raise ProtocolMismatch("the gateway sends an event without end")

    def _line(self, line: str) -> Iterator[Sent]:
        if line:
            name, _, value = line.partition(":")
            self._size += len(line)
            if name:  # a line that begins with a colon is a comment: a sign of life
                self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return
        fields, self._fields, self._size = self._fields, {}, 0
        if "data" in fields:
            data = "\n".join(fields["data"])
            yield Sent(fields.get("event", [""])[-1], data, fields.get("id", [""])[-1])


class Follow:
    """The events of one task across reconnections. After one, token events may repeat."""

    def __init__(self) -> None:
        self.verdict: Mapping[str, Any] | None = None
        self._last = ""
        self._losses = 0

    def headers(self) -> dict[str, str]:
        """What a (re)connection says about where it was."""
        return {"Last-Event-ID": self._last} if self._last else {}

    def take(self, sent: Sent) -> TaskEvent:
        """The event in `sent`. Raises the error that the gateway ends a stream with."""
        if sent.name == "error":
            raise error_in(200, sent.data.encode())
        try:
            event = json.loads(sent.data)
        except ValueError:
            raise ProtocolMismatch("the gateway sends events that are not JSON") from None
        self._losses = 0
        self._last = sent.number or self._last
        if event.get("type") == "verdict":
            self.verdict = event
        found: TaskEvent = event
        return found

    def lost(self, why: str, retries: int) -> float:
        """The connection broke before the verdict: seconds to wait before another try.

        Raises `ConnectionError` when it has been tried `retries` times without an event.
        """
        self._losses += 1
        if self._losses > retries:
            raise Unreachable(
                f"the event stream broke off: {why}",
                hint="the task may still run: `symphony tasks` lists it",
            )
        return backoff_s(self._losses)


def backoff_s(attempt: int) -> float:
    """The pause before try number `attempt`, counted from 1."""
    return min(limits.BACKOFF_S * 2.0 ** (attempt - 1), limits.MAX_BACKOFF_S)
