"""How long units take: what this node has seen, and what is to be expected of an owner.

For each owner, agent and role the last few durations are kept, from the award to the result as the
conductor saw it; and the same over all owners of a role. The expectation for an award is the 95th
percentile of the owner's own durations, if there are enough of them; else twice what the owner
said in its bid, but no less than what is usual for the role; and without either nothing is
expected. What an owner says of itself is used with care: whoever names a short time only gets a
rival sooner, and whoever names a long one is taken at its word until it is known better.

Who is past its expectation is a straggler (`hedging`). Theory: Dean & Barroso, "The Tail at Scale"
(2013): ask a second server only past the 95th percentile of the first, and hardly any work is
done twice.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from symphony.core import limits
from symphony.core.ids import NodeId
from symphony.core.records import Role

_Key = tuple[NodeId, str, Role] | Role


class Pace:
    """Recent durations, within bounds."""

    def __init__(self) -> None:
        self._seen: OrderedDict[_Key, deque[int]] = OrderedDict()

    def learn(self, owner: NodeId, agent: str, role: Role, took_ms: int) -> None:
        """A unit was done."""
        keys: tuple[_Key, _Key] = (owner, agent, role), role
        for key in keys:
            recent = self._seen.pop(key, None) or deque(maxlen=limits.PACES_REMEMBERED)
            recent.append(took_ms)
            self._seen[key] = recent
        while len(self._seen) > limits.MAX_PACES:
            self._seen.popitem(last=False)

    def own_ms(self, owner: NodeId, agent: str, role: Role) -> int | None:
        """The 95th percentile of one agent's durations; None if too few are known."""
        return self._p95((owner, agent, role))

    def expected_ms(self, owner: NodeId, agent: str, role: Role, said_ms: int) -> int | None:
        """After so long an owner is late. `said_ms` is what it said in its bid, 0 for nothing."""
        known = self._p95((owner, agent, role))
        usual = self._p95(role)
        if known is None and said_ms:
            known = max(2 * said_ms, usual or 0)
        elif known is None and usual is not None:
            known = 2 * usual
        return None if known is None else max(known, limits.HEDGE_AFTER_MS)

    def _p95(self, key: _Key) -> int | None:
        recent = self._seen.get(key, ())
        if len(recent) < limits.PACES_NEEDED:
            return None
        return sorted(recent)[(len(recent) * 95 - 1) // 100]
