"""One unit at its conductor: where it stands, and who holds it.

    waiting → calling → working → done
                 ↑          │
                 └──────────┴→ failed   (attempts, calls or budget are spent)

A plan, a step or a comparison is a unit: what is called for, awarded and paid for as a whole. Its
owner holds it by the award of one epoch. If that one takes long (`hedging`), its hold is put aside
(`Tenure`), and a second owner gets the unit with the next epoch. Whoever is heard first is the
owner that counts, and for that the two holds may change places; if one fails, the other is taken
back. A hold goes by owner and epoch, so nothing that is said under one is taken for the other.

Plain data: who owns a unit is decided in `beacon`, what follows from its result in `chains`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ledger import Entry
from symphony.core import limits
from symphony.core.ids import EntryId, Epoch, NodeId, TaskId, UnitId, unit_id
from symphony.core.messages import Order
from symphony.core.records import Award, Candidate, Lapse, Requirement, ResultRecord, Role
from symphony.core.tasks.plan import Step

NO_EPOCH = Epoch(0)
UnitState = Literal["waiting", "calling", "working", "done", "failed"]


@dataclass(slots=True)
class Tenure:
    """The hold of an owner on a unit that has a second one by now."""

    award: Award
    award_id: EntryId
    order: Order
    salt: bytes
    epoch: Epoch
    reserved_tokens: int
    lease_until_ms: int
    awarded_ms: int
    answered_ms: int

    @property
    def owner(self) -> NodeId:
        return NodeId(self.award.owner)


@dataclass(slots=True)
class Unit:
    """One plan or one step, and its present owner; `rival` is the one before, if it is still at
    work, too.
    """

    task: TaskId
    name: str
    chain: int
    role: Role
    skill: str
    step: Step | None = None
    state: UnitState = "waiting"
    calls: int = 0
    attempts: int = 0
    epoch: Epoch = NO_EPOCH
    highest: Epoch = NO_EPOCH  # of all its awards; that of the present owner may be lower
    rival: Tenure | None = None
    wants_rival: bool = False  # a call for one is out
    seen_chars: int = 0  # that its owner has shown of its output
    complaint: str = ""
    requirement: Requirement | None = None
    candidates: tuple[Candidate, ...] = ()
    bids_at_ms: int = -limits.BID_LIFETIME_MS  # when the bids came in
    foreseen: bool = False  # was called for ahead
    ahead: bytes = b""  # the entry with its award, if that was written before its turn came
    held_after: UnitId | None = None  # the work was sent ahead, to begin when that unit is done
    held_epoch: Epoch | None = None  # the epoch that unit had then
    begun: bool = False  # it was sent ahead, and its owner has begun
    avoided: list[NodeId] = field(default_factory=list)
    last_resort: bool = False  # nobody is left but those that are excluded
    lapse: Lapse | None = None  # how its last epoch ended, until the next award says so
    award: Award | None = None
    award_id: EntryId | None = None
    order: Order | None = None
    salt: bytes = b""
    reserved_tokens: int = 0
    unsure: bool = False  # awarded before a restart; its owner has not been heard since
    rebuilt: Epoch = NO_EPOCH  # whose order was made once more, from what was left after a restart
    lease_until_ms: int = 0
    awarded_ms: int = -1
    answered_ms: int = 0  # when a renewal was last acknowledged; awards count
    output: str = ""
    result: Entry | None = None
    record: ResultRecord | None = None
    called_ms: int = 0
    id: UnitId = field(init=False)

    def __post_init__(self) -> None:
        self.id = unit_id(self.task, self.name)

    @property
    def needs(self) -> Requirement:
        """What was called for; there once the unit was called for."""
        assert self.requirement is not None
        return self.requirement

    @property
    def owner(self) -> NodeId | None:
        return NodeId(self.award.owner) if self.award and self.state == "working" else None

    def hold(self, owner: NodeId, epoch: Epoch) -> Unit | Tenure | None:
        """What `owner` has by the award of `epoch`: the unit itself, a hold beside it, nothing."""
        if self.owner == owner and self.epoch == epoch:
            return self
        rival = self.rival
        return rival if rival and (rival.owner, rival.epoch) == (owner, epoch) else None

    def hold_of(self, epoch: Epoch) -> Unit | Tenure | None:
        """Who has it by the award of this epoch."""
        if self.owner is not None and self.epoch == epoch:
            return self
        return self.rival if self.rival is not None and self.rival.epoch == epoch else None

    def put_aside(self) -> None:
        """The present owner becomes the rival of one that is to be elected."""
        assert self.award is not None
        assert self.award_id is not None
        assert self.order is not None
        self.rival = Tenure(
            self.award,
            self.award_id,
            self.order,
            self.salt,
            self.epoch,
            self.reserved_tokens,
            self.lease_until_ms,
            self.awarded_ms,
            self.answered_ms,
        )
        self.reserved_tokens, self.seen_chars = 0, 0

    def take_back(self) -> None:
        """The rival is the only owner again; what the other had reserved was released."""
        rival = self.rival
        assert rival is not None
        self.rival = None
        self.award, self.award_id, self.order = rival.award, rival.award_id, rival.order
        self.salt, self.epoch = rival.salt, rival.epoch
        self.reserved_tokens, self.lease_until_ms = rival.reserved_tokens, rival.lease_until_ms
        self.awarded_ms, self.answered_ms = rival.awarded_ms, rival.answered_ms

    def change_places(self) -> None:
        """The rival is the owner that counts from here on, and the owner its rival."""
        rival = self.rival
        self.put_aside()
        other, self.rival = self.rival, rival
        self.take_back()
        self.rival = other
