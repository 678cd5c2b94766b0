"""The names of the two gossip topics of a swarm. The swarm's id is part of each name, so two
swarms that happen to share a peer never mix.
"""

from __future__ import annotations

from typing import NamedTuple


class Topics(NamedTuple):
    """Full topic names; iterating gives all of them."""

    entries: str
    forks: str


def topics(swarm_id: bytes) -> Topics:
    """The topics of the swarm with this 32-byte id."""
    return Topics(*(f"/symphony/{swarm_id.hex()}/{name}/1" for name in Topics._fields))
