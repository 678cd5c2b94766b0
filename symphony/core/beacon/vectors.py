"""Embeddings of requirement texts, remembered.

The core can't embed; it asks with an `Embed` effect and goes on when `Embedded` arrives. Skill
texts repeat a lot, so nearly every requirement finds its vector here at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping

MAX_VECTORS = 4096  # 400 bytes each: the skills of a very talkative swarm


class Vectors:
    """A bounded memory of text → vector; a text that could not be embedded is remembered too."""

    def __init__(self) -> None:
        self.encoder: str | None = None
        self._known: OrderedDict[str, bytes | None] = OrderedDict()

    def missing(self, texts: Collection[str]) -> tuple[str, ...]:
        """Those that have to be embedded first."""
        return tuple(dict.fromkeys(text for text in texts if text not in self._known))

    def get(self, text: str) -> bytes | None:
        vector = self._known.get(text)
        if vector is not None:
            self._known.move_to_end(text)
        return vector

    def learn(
        self, encoder: str | None, texts: Collection[str], found: Mapping[str, bytes]
    ) -> None:
        """The answer to an `Embed`; texts without a vector are matched by words from now on."""
        self.encoder = encoder
        for text in texts:
            self._known[text] = found.get(text)
        while len(self._known) > MAX_VECTORS:
            self._known.popitem(last=False)
