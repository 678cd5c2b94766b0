"""What the parts of the conductor share: the other machines of its node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from symphony.core.beacon.claims import Claims
from symphony.core.beacon.experience import Experience
from symphony.core.beacon.pace import Pace
from symphony.core.beacon.seeking import Seeking
from symphony.core.beacon.vectors import Vectors
from symphony.core.chance import Chance
from symphony.core.ids import NodeId
from symphony.core.logs.journal import Journal
from symphony.core.outbox import Outbox
from symphony.core.peers.directory import Directory
from symphony.core.stewards.entrusting import Entrusting
from symphony.core.votes.evidence_book import EvidenceBook


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The node around a conductor. `alive` gives the connected peers and this node,
    `suspects` those of them that seem dead, `operator_of` who runs a peer, as was vouched;
    `may_append` whether the own log is open.
    """

    me: NodeId
    journal: Journal
    directory: Directory
    vectors: Vectors
    experience: Experience
    chance: Chance
    out: Outbox
    evidence: EvidenceBook
    alive: Callable[[], frozenset[NodeId]]
    suspects: Callable[[], frozenset[NodeId]]
    operator_of: Callable[[NodeId], str]
    may_append: Callable[[], bool]
    entrusting: Entrusting
    seeking: Seeking
    claims: Claims
    pace: Pace = field(default_factory=Pace)
