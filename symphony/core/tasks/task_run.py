"""The state of one task at its conductor: chains, their units, and who owns them.

    unit    waiting → calling → working → done
                         ↑          │
                         └──────────┴→ failed   (attempts, calls or budget are spent)
    chain   planning → stepping → voted | failed
    task    running → ended (answered, not_certified, failed, expired, cancelled)

Plain data: the transitions are in `calls` (who owns a unit) and `conductor` (what follows).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ledger import Entry
from symphony.core import limits
from symphony.core.ids import EntryId, Epoch, NodeId, TaskId, UnitId, unit_id
from symphony.core.messages import Order
from symphony.core.peers.directory import Listing
from symphony.core.records import Award, Candidate, Lapse, Requirement, ResultRecord, Role, Rule
from symphony.core.spec import TaskSpec
from symphony.core.stewards.line import Line
from symphony.core.tasks.plan import Plan, Step
from symphony.core.votes.evidence import Skilled
from symphony.core.votes.settling import Cast, Settlement
from symphony.core.weighing import Grounds

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


@dataclass(slots=True)
class Chain:
    """One plan and its execution. It ends in one vote, or fails and never votes."""

    index: int
    plan: Plan | None = None
    fallback: str = ""
    cast: Cast | None = None
    voter: Skilled | None = None  # who cast it, and the skill that was asked for
    begun: bool = False
    final: Unit | None = None
    failure: tuple[str, str] | None = None  # (error code, text)
    blank: bool = False  # its last output held no answer

    @property
    def ended(self) -> bool:
        return self.cast is not None or self.failure is not None


@dataclass(slots=True)
class Call:
    """One beacon that is out: whom it asked, who has answered, and what they offered."""

    beacon: bytes
    units: tuple[Unit, ...]
    asked: frozenset[NodeId]
    answered: set[NodeId] = field(default_factory=set)
    bids: dict[UnitId, list[Candidate]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """An accepted result with the text it commits to: what a receipt can open."""

    unit: str
    entry: Entry
    salt: bytes
    text: str


@dataclass(slots=True)
class TaskRun:
    """Everything a conductor knows about one of its tasks."""

    task: TaskId
    salt: bytes
    spec: TaskSpec
    started_ms: int
    chains: list[Chain]
    secret: bytes = b""  # the salts of units are made of it
    skills: tuple[str, ...] = ()  # what planners are told they may ask for
    units: dict[UnitId, Unit] = field(default_factory=dict)
    calls: dict[bytes, Call] = field(default_factory=dict)
    parked: list[Unit] = field(default_factory=list)  # wait for the vectors of their skills
    latest: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    """By chain: the lineage and the node of the latest owner."""
    entries: list[Entry] = field(default_factory=list)  # task, awards, results, as they came
    listings: dict[EntryId, Listing] = field(default_factory=dict)  # of all bidders
    noted: set[EntryId] = field(default_factory=set)  # capabilities that were written down
    opened: dict[str, Opened] = field(default_factory=dict)
    tokens_used: int = 0
    tokens_reserved: int = 0
    tokens_lost: int = 0  # reserved for calls that never said what they cost
    nodes: set[NodeId] = field(default_factory=set)  # others that were awarded anything
    failovers: int = 0
    hedges: int = 0
    estimates_ms: dict[tuple[UnitId, NodeId, str], int] = field(default_factory=dict)
    planned_ms: int = 0
    voted_ms: int = 0
    award_waits_ms: list[int] = field(default_factory=list)
    looking_ahead: bool = False
    patient_until_ms: int = 0  # until then, that nobody bids does not mean that nobody will
    cited: tuple[Entry, ...] = ()  # the evidence that the ballots are weighed by
    grounds: Grounds = field(default_factory=Grounds)
    settlement: Settlement | None = None
    judging: bool = False  # the judges were called, if there are any
    line: Line | None = None  # of a durable task
    ended: bool = False

    def add_unit(self, unit: Unit) -> Unit:
        self.units[unit.id] = unit
        return unit

    def affordable(self, tokens: int) -> bool:
        """Would one more call of so many tokens stay within the budget? Reserved before called."""
        spoken_for = self.tokens_used + self.tokens_reserved + self.tokens_lost
        return spoken_for + tokens <= self.spec.budget_tokens

    @property
    def nodes_spent(self) -> bool:
        """May no other node see anything of the task?"""
        return 0 < self.spec.max_nodes <= len(self.nodes)

    def reserve(self, unit: Unit, tokens: int) -> None:
        """Set tokens aside for a call that is about to be made; they are `affordable`."""
        unit.reserved_tokens = tokens
        self.tokens_reserved += tokens

    def release(self, hold: Unit | Tenure) -> None:
        """Give a reservation back: nothing was done for it."""
        self.tokens_reserved -= hold.reserved_tokens
        hold.reserved_tokens = 0

    def write_off(self, hold: Unit | Tenure) -> None:
        """A call ended without saying what it cost: it may have cost all that was reserved."""
        self.tokens_lost += hold.reserved_tokens
        self.release(hold)

    def charge(self, unit: Unit, tokens: int) -> int:
        """Pay for a result. An owner can't charge more than was reserved for it."""
        paid = min(tokens, unit.reserved_tokens)
        self.tokens_used += paid
        self.release(unit)
        return paid

    def steps_before(self, unit: Unit) -> list[Unit]:
        """The steps whose outputs `unit` needs."""
        needs = unit.step.needs if unit.step is not None else ()
        return [self.units[unit_id(self.task, f"step/{unit.chain}/{need}")] for need in needs]

    def unplanned(self) -> list[Chain]:
        """The chains whose planner is at work, and whose first step was not called for yet."""
        first = {u.chain for u in self.units.values() if u.role == "solve"}
        at_work = {u.chain for u in self.units.values() if u.role == "plan" and u.owner}
        return [c for c in self.chains if c.index in at_work - first and not c.ended]

    def following(self) -> list[Unit]:
        """The waiting steps whose needs all have owners or results by now."""
        return [
            unit
            for unit in self.units.values()
            if unit.state == "waiting"
            and not unit.foreseen
            and all(before.state in ("working", "done") for before in self.steps_before(unit))
        ]

    def soon_free(self, unit: Unit, owner: NodeId, agent: str) -> int:
        """The slots of an agent that are busy with what `unit` waits for: free by then."""
        before = [step for step in self.steps_before(unit) if step.owner == owner]
        return sum(step.award is not None and step.award.agent == agent for step in before)

    def unknown_tokens(self, unit: Unit) -> int:
        """The most that outputs which `unit` needs and that are still to come may hold."""
        open_steps = sum(step.state != "done" for step in self.steps_before(unit))
        return open_steps * self.spec.max_tokens

    @property
    def rule(self) -> Rule:
        """The rule of the vote; `auto` was resolved when the task was submitted."""
        assert self.spec.rule != "auto"
        return self.spec.rule

    @property
    def voted(self) -> bool:
        return any(chain.cast is not None for chain in self.chains)

    @property
    def outstanding(self) -> int:
        return sum(not chain.ended for chain in self.chains)
