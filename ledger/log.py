"""What the book keeps of one log besides its head: recent headers, early entries, and a rate.

The rate is counted when entries are heard, which may be long after they were said: a connection
stands still and then delivers all at once, or our own node was stopped. So the burst has room for
what an author may say within the longest such time (`ledger.limits`). Its stamps are not asked
when it said them: an honest clock may be wrong, and a flood would write stamps that suit it.

The rate is a token bucket in integers: a thousandth of a token is the unit, so that a refill of
`rate_per_s` tokens a second is `rate_per_s` units a millisecond and no fraction is ever lost.
"""

from __future__ import annotations

from ledger.entry import Entry
from ledger.limits import ENTRY_OVERHEAD_BYTES, Limits

_UNITS = 1000


class TokenBucket:
    """At most `burst` at once, `rate_per_s` in the long run.

    When the clock is set back nothing is gained, and counting goes on from there.
    """

    __slots__ = ("_burst", "_last_ms", "_rate_per_s", "_units")

    def __init__(self, rate_per_s: int, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst * _UNITS
        self._units = self._burst
        self._last_ms = 0

    def has_token(self, now_ms: int) -> bool:
        if self._units < self._burst:
            gained = max(0, now_ms - self._last_ms) * self._rate_per_s
            self._units = min(self._burst, self._units + gained)
        self._last_ms = now_ms
        return self._units >= _UNITS

    def spend(self, now_ms: int) -> None:
        """Take a token; `has_token` was true at `now_ms`."""
        assert self.has_token(now_ms)
        self._units -= _UNITS


class Log:
    """The book's notes on one author."""

    __slots__ = ("_direct", "_gossip", "_limits", "pending", "pending_bytes", "recent")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._gossip = TokenBucket(limits.rate_per_s, limits.rate_burst)
        self._direct: TokenBucket | None = None
        self.recent: dict[int, Entry] = {}
        """The last entries of the log by number, without bodies, oldest first."""
        self.pending: dict[int, Entry] = {}
        """Signed entries that came too early, by number."""
        self.pending_bytes = 0

    def bucket(self, *, direct: bool) -> TokenBucket:
        """The rate of entries that are gossiped; or that of those which come ahead of the gossip,
        with what is to be done about them, and are not to use up what gossip needs.
        """
        if not direct:
            return self._gossip
        if self._direct is None:
            self._direct = TokenBucket(self._limits.rate_per_s, self._limits.rate_burst)
        return self._direct

    def known(self, seq: int) -> Entry | None:
        """The remembered entry with this number, if the one before it is remembered as well (a
        fork cuts the log there, and the cut end must be known), or if it waits.
        """
        if seq == 1 or seq - 1 in self.recent:
            recent = self.recent.get(seq)
            if recent is not None:
                return recent
        return self.pending.get(seq)

    def remember(self, entry: Entry) -> None:
        """Note the entry as the newest of the log."""
        self.recent[entry.seq] = entry.without_body()
        if len(self.recent) > self._limits.recent_per_author:
            del self.recent[next(iter(self.recent))]

    def wait(self, entry: Entry) -> None:
        """Keep an early entry."""
        self.pending[entry.seq] = entry
        self.pending_bytes += memory_bytes(entry)

    def take(self, seq: int) -> Entry | None:
        """Give out the early entry with this number, if there is one."""
        entry = self.pending.pop(seq, None)
        if entry is not None:
            self.pending_bytes -= memory_bytes(entry)
        return entry

    def forget_after(self, seq: int) -> None:
        """Drop everything above `seq`: the log is frozen there."""
        for number in [number for number in self.recent if number > seq]:
            del self.recent[number]
        for number in [number for number in self.pending if number > seq]:
            self.take(number)


def memory_bytes(entry: Entry) -> int:
    """About what an early entry takes in memory."""
    return ENTRY_OVERHEAD_BYTES + len(entry.header_bytes) + entry.header.body_bytes
