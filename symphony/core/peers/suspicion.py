"""Who seems dead although the connection to it stands: a paused process, a vanished host.

A connection breaks late or never, so contact itself is watched: every node tells its peers
that it is here about every five seconds, and anything else that it says counts as well. A peer that
was not heard for three such periods is *quiet*. It is asked whether it is there, and so are up to
three others whether they hear from it (`contact`). What follows from that is judged here:

- It is heard itself, or one of the others hears it in the life that we are connected to: it is not
  suspected; in the second case for three periods more.
- The others answer, and none of them hears it: it is *suspected*, and not asked for bids as long as
  others can do the work. So an idle dead node is never ranked first. Suspicion excludes nobody: the
  last who can work is asked. Only hearing from a suspect clears it; what others say then means
  nothing.
- Nobody answers: then more likely it is us who are not heard. The node *doubts itself*: it takes
  that long to judge once more, and asks anew. Only in the third round is the silence held against
  the peer, so that go-betweens that keep quiet can't protect a dead one for ever.

It doubts itself as well when it comes late to judge: it was held up, and the answers may be
waiting behind. And if most of the peers that it counted on are quiet at once, it is more likely
that this node was paused or cut off than that all of them were: then it asks about nobody.

Nobody else can make a peer a suspect: a go-between that denies a living peer changes nothing,
because the peer is asked, too, and its own word is enough.

After SWIM (Das, Gupta and Motivala, 2002) for the go-betweens, and Lifeguard (Dadgar, Phillips
and Currey, 2018) for the doubt. Unlike there, suspicion is not spread: each node judges for itself.
"""

from __future__ import annotations

from symphony.core import limits
from symphony.core.ids import NodeId


class Suspicion:
    """When each connected peer was last heard, in monotonic ms, and what that means."""

    def __init__(self) -> None:
        self._heard_ms: dict[NodeId, int] = {}
        self._vouched_ms: dict[NodeId, int] = {}
        """When others last heard a peer that is quiet."""
        self._unanswered: dict[NodeId, int] = {}
        """Rounds about a peer that nobody answered."""
        self.suspects: frozenset[NodeId] = frozenset()
        """Who seems dead."""
        self.doubt = 0
        """How much the node doubts itself, from 0 to `limits.MAX_DOUBT`."""

    def heard(self, peer: NodeId, now_ms: int) -> None:
        """A connected peer spoke, or was just connected."""
        self._heard_ms[peer] = now_ms
        if peer in self.suspects:
            self.suspects -= {peer}
        if peer in self._vouched_ms or peer in self._unanswered:
            self._vouched_ms.pop(peer, None)
            self._unanswered.pop(peer, None)

    def gone(self, peer: NodeId) -> None:
        """The connection broke: there is nothing left to suspect."""
        self._heard_ms.pop(peer, None)
        self._vouched_ms.pop(peer, None)
        self._unanswered.pop(peer, None)
        self.suspects -= {peer}

    def silent_ms(self, peer: NodeId, now_ms: int) -> int:
        """How long ago a connected peer was heard."""
        return now_ms - self._heard_ms[peer]

    def quiet(self, now_ms: int) -> list[NodeId]:
        """Whom to ask about. Suspects are not asked about again: their own word is what counts."""
        since_ms = now_ms - limits.CONTACT_AFTER_MS
        trusted = [peer for peer in self._heard_ms if peer not in self.suspects]
        quiet = [peer for peer in trusted if self._heard_ms[peer] < since_ms]
        if 2 * len(quiet) > len(trusted):
            return []
        return [peer for peer in quiet if self._vouched_ms.get(peer, since_ms - 1) < since_ms]

    def lively(self, now_ms: int) -> list[NodeId]:
        """Who can be asked about others: whoever is heard."""
        since_ms = now_ms - limits.CONTACT_AFTER_MS
        return [
            peer
            for peer, heard_ms in self._heard_ms.items()
            if heard_ms >= since_ms and peer not in self.suspects
        ]

    @property
    def patience_ms(self) -> int:
        """How long answers may take: the more this node doubts itself, the longer."""
        return limits.CONTACT_MS * (1 + self.doubt)

    def vouched(self, peer: NodeId, now_ms: int) -> None:
        """Another peer heard it in time."""
        if peer in self._heard_ms and peer not in self.suspects:
            self._vouched_ms[peer] = now_ms
            self._unanswered.pop(peer, None)
            self._trust_oneself()

    def held_up(self) -> None:
        """What was to be judged was not heard in time by our own fault."""
        self.doubt = min(self.doubt + 1, limits.MAX_DOUBT)

    def unheard(self, peer: NodeId, *, answered: bool) -> bool:
        """Neither the peer nor anybody who hears it spoke in time; did anybody answer at all?
        Says whether the peer is a suspect now.
        """
        if peer not in self._heard_ms:
            return False
        if answered:
            self._trust_oneself()
        else:
            self.held_up()
            rounds = self._unanswered[peer] = self._unanswered.get(peer, 0) + 1
            if rounds < limits.UNANSWERED_ROUNDS:
                return False
        self._unanswered.pop(peer, None)
        self.suspects |= {peer}
        return True

    def _trust_oneself(self) -> None:
        """Others answered: this node is heard."""
        self.doubt = max(self.doubt - 1, 0)
