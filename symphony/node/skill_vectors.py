"""The vectors of this node's own skills, kept from one start to the next.

Making them takes the encoder, which takes half a second of a core to load; the words of the skills
seldom change. So a start reads them back, and the encoder is loaded once nobody waits for the node.

The rule kept: what is read back is what this very model made of these very words. Each vector is
filed under the hash of its words, all of them under the model's fingerprint, and the file ends in a
hash of itself. What does not fit is made anew: a wrong vector would cost an agent its elections,
because others compute it again (`symphony.core.beacon.claims`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from symphony.engines.embedding import VECTOR_BYTES
from symphony.node import limits
from symphony.node.keepsake import read_keepsake, write_keepsake

FILE: Final = "skill_vectors.json"


class SkillVectors:
    """The file in a home."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE

    @property
    def kept(self) -> bool:
        """Whether there is such a file; what it is worth, `find` sees."""
        return self._file.exists()

    def find(self, model: str, texts: Sequence[str]) -> dict[str, bytes]:
        """Those vectors of `texts` that the model with this fingerprint made before."""
        known = _read(self._file, model)
        return {text: known[_name(text)] for text in texts if _name(text) in known}

    def keep(self, model: str, vectors: Mapping[str, bytes]) -> None:
        """Replace what is kept."""
        rows = {_name(text): vector.hex() for text, vector in vectors.items()}
        body = {"model": model, "vectors": rows}
        data = json.dumps({**body, "hash": _hash(body)}).encode()
        write_keepsake(self._file, data, limits.SKILL_VECTORS_BYTES)


def _read(file: Path, model: str) -> dict[str, bytes]:
    """What was kept for a model; nothing where it can't be read, since it can be made again."""
    try:
        found = json.loads(read_keepsake(file, limits.SKILL_VECTORS_BYTES))
        said = found.pop("hash")
        if said != _hash(found) or found["model"] != model:
            return {}
        known = {str(name): bytes.fromhex(row) for name, row in found["vectors"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return known if all(len(one) == VECTOR_BYTES for one in known.values()) else {}


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
