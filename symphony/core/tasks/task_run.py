"""The state of one task at its conductor: its chains, their units (`unit`), and what it may cost.

    chain   planning → stepping → voted | failed
    task    running → ended (answered, not_certified, failed, expired, cancelled)

Plain data: the transitions are in `calls` (who owns a unit), `chains` (what follows from a result)
and `conductor` (how a task ends).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger import Entry
from symphony.core.ids import EntryId, NodeId, TaskId, UnitId, unit_id
from symphony.core.peers.directory import Listing
from symphony.core.records import Candidate, Rule
from symphony.core.spec import TaskSpec
from symphony.core.stewards.line import Line
from symphony.core.tasks.plan import Plan
from symphony.core.tasks.unit import Tenure, Unit
from symphony.core.votes.evidence import Skilled
from symphony.core.votes.settling import Cast, Settlement
from symphony.core.weighing import Grounds


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
        return tokens <= self.tokens_left

    @property
    def tokens_left(self) -> int:
        """What of the budget is neither spent nor reserved."""
        spoken_for = self.tokens_used + self.tokens_reserved + self.tokens_lost
        return self.spec.budget_tokens - spoken_for

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
