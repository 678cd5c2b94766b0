"""Are an agent's vectors those of its words? What a capability record claims, computed again.

A record carries a vector for each skill, so that nobody needs an encoder to match it. Its author
could put any vector there: one that fits every call, beside words that nobody would look for. So a
node that has the same encoder embeds the words of the agents that it is about to ask, once for each
record and in the background, and compares. An agent whose vector is not of its words is treated as
if its breaker were open: it is asked only if nobody else can do the work. It is not punished, for
the words are its own to choose, and nothing is spread: each node sees for itself.

Encoders round a little differently on different processors, which moves a vector by less than a
hundredth of a cosine; `LEAST_ALIKE` leaves ten times that. Scores, and the receipts that recompute
them, go on resting on what the record says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from symphony.core import limits
from symphony.core.beacon.match import cosine_ppm
from symphony.core.beacon.vectors import Vectors
from symphony.core.effects import Embed
from symphony.core.events import ClaimRefuted
from symphony.core.ids import EntryId
from symphony.core.outbox import Outbox
from symphony.core.peers.directory import Listing
from symphony.core.records import Skill

LEAST_ALIKE = 900_000
"""Cosine, in parts per million, of a claimed vector and the one computed here."""


class Claims:
    """What became of the records that this node looked into."""

    def __init__(self, vectors: Vectors, out: Outbox) -> None:
        self._vectors = vectors
        self._out = out
        self._judged: OrderedDict[EntryId, bool] = OrderedDict()
        """Whether a record is refuted; each is judged once."""
        self._asked: set[str] = set()
        """Words that are being embedded."""

    def look(self, listings: Iterable[Listing]) -> None:
        """Have the words of these agents embedded, as far as that was not done."""
        open_ = [listing for listing in listings if self._checkable(listing)]
        texts = [words(skill) for listing in open_ for skill in listing.capability.skills]
        self._asked = set(self._vectors.missing(self._asked))
        missing = [text for text in self._vectors.missing(texts) if text not in self._asked]
        if missing:
            wanted = tuple(missing[: limits.CLAIM_TEXTS])
            self._asked.update(wanted)
            self._out.do(Embed(wanted))

    def refuted(self, listing: Listing) -> bool:
        """Is a vector of this agent known to be of other words than its own?"""
        if listing.id in self._judged:
            return self._judged[listing.id]
        skills = listing.capability.skills
        if not self._checkable(listing) or self._vectors.missing([words(s) for s in skills]):
            return False
        false = [skill for skill in skills if not self._holds(skill)]
        self._judged[listing.id] = bool(false)
        if len(self._judged) > limits.MAX_DIRECTORY:
            self._judged.popitem(last=False)
        if false:
            agent = listing.capability.agent
            self._out.tell(ClaimRefuted(listing.node, agent, false[0].name))
        return bool(false)

    def _checkable(self, listing: Listing) -> bool:
        """Is it another node's record, not judged yet, and made by the encoder that is here?"""
        ours = self._vectors.encoder
        other = listing.node != self._out.me and listing.id not in self._judged
        return other and ours is not None and listing.capability.encoder == ours

    def _holds(self, skill: Skill) -> bool:
        computed = self._vectors.get(words(skill))
        if skill.vector is None or computed is None:
            return True  # nothing is claimed, or it could not be computed here
        return cosine_ppm(skill.vector, computed) >= LEAST_ALIKE


def words(skill: Skill) -> str:
    """What the vector of a skill embeds."""
    return f"{skill.name}: {skill.description}"
