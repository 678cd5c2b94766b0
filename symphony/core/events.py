"""What happened, as facts: the one stream behind logs, metrics, the live view and the SDK.

Every event about a task carries its id and `at_ms`, milliseconds since the task was submitted.
Bytes become hexadecimal and nodes their short form only at the surface (`as_json`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from symphony.core.ids import Epoch, NodeId, TaskId
from symphony.core.records import Outcome, Rule


@dataclass(frozen=True, slots=True)
class TaskAccepted:
    """The task is written down; the search for owners begins."""

    task: TaskId
    at_ms: int
    chains: int
    planning: str
    rule: Rule
    type: Literal["task"] = "task"


@dataclass(frozen=True, slots=True)
class TaskResumed:
    """The conductor was restarted and goes on: so many units were done, so many may be running."""

    task: TaskId
    at_ms: int
    done: int
    running: int
    type: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True)
class TaskEntrusted:
    """A steward holds what it takes to go on with the task."""

    task: TaskId
    at_ms: int
    steward: NodeId
    type: Literal["entrusted"] = "entrusted"


@dataclass(frozen=True, slots=True)
class TaskTakenOver:
    """The conductor was silent, and this node goes on in its place: so many units were done, so
    many may be running.
    """

    task: TaskId
    at_ms: int
    done: int
    running: int
    type: Literal["taken_over"] = "taken_over"


@dataclass(frozen=True, slots=True)
class TaskSteppedBack:
    """Another node of the task's line conducts it, or has ended it."""

    task: TaskId
    at_ms: int
    to: NodeId
    type: Literal["stepped_back"] = "stepped_back"


@dataclass(frozen=True, slots=True)
class BeaconSent:
    """A call for bids for these units went to `asked` nodes."""

    task: TaskId
    at_ms: int
    units: tuple[str, ...]
    asked: int
    type: Literal["beacon"] = "beacon"


@dataclass(frozen=True, slots=True)
class BidHeard:
    """One node answered a beacon; without agents it said no."""

    task: TaskId
    at_ms: int
    node: NodeId
    agents: tuple[str, ...]
    units: int
    type: Literal["bid"] = "bid"


@dataclass(frozen=True, slots=True)
class UnitAwarded:
    """The owner of a unit is elected. `score` is in parts per million."""

    task: TaskId
    at_ms: int
    unit: str
    epoch: Epoch
    owner: NodeId
    agent: str
    model: str
    score: int
    bids: int
    type: Literal["award"] = "award"


@dataclass(frozen=True, slots=True)
class TokensSeen:
    """An owner wrote more text; for the eye, it may get lost."""

    task: TaskId
    at_ms: int
    unit: str
    owner: NodeId
    text: str
    type: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class UnitDone:
    """An owner's signed result is in."""

    task: TaskId
    at_ms: int
    unit: str
    owner: NodeId
    agent: str
    model: str
    output: str
    tokens: int
    elapsed_ms: int
    type: Literal["result"] = "result"


@dataclass(frozen=True, slots=True)
class PlanMade:
    """Chain `chain` has its plan; `fallback` says why it is only a direct step, if it is."""

    task: TaskId
    at_ms: int
    chain: int
    steps: tuple[str, ...]
    fallback: str
    type: Literal["plan"] = "plan"


@dataclass(frozen=True, slots=True)
class FailedOver:
    """The owner of a unit is replaced: it died, went silent, refused or failed."""

    task: TaskId
    at_ms: int
    unit: str
    epoch: Epoch
    owner: NodeId
    reason: str
    type: Literal["failover"] = "failover"


@dataclass(frozen=True, slots=True)
class UnitHedged:
    """The owner takes long: a second one has the unit as well, in `epoch`."""

    task: TaskId
    at_ms: int
    unit: str
    epoch: Epoch
    straggler: NodeId
    type: Literal["hedge"] = "hedge"


@dataclass(frozen=True, slots=True)
class ChainFailed:
    """A chain is over without a ballot."""

    task: TaskId
    at_ms: int
    chain: int
    reason: str
    type: Literal["chain_failed"] = "chain_failed"


@dataclass(frozen=True, slots=True)
class BallotCast:
    """A chain ended in an answer. `weight` is in parts per million."""

    task: TaskId
    at_ms: int
    chain: int
    owner: NodeId
    answer: str
    weight: int
    type: Literal["ballot"] = "ballot"


@dataclass(frozen=True, slots=True)
class BallotView:
    """One counted ballot, for people."""

    chain: int
    owner: NodeId
    model: str
    answer: str
    weight: int


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """The last event of a task. `error` is a code of `symphony.errors`, empty when answered.

    `agreeing` ballots are for `answer`, of `answers` different ones; `level` of these have the most
    weight. `settled` says why no more was waited for. Of `tokens`, `prompt_tokens` are prompts'.
    """

    task: TaskId
    at_ms: int
    outcome: Outcome
    answer: str
    ballots: tuple[BallotView, ...]
    stop: str
    error: str
    message: str
    owner_failovers: int
    tokens: int
    receipt: bytes
    phases_ms: dict[str, int]
    rule: str = ""
    effective_milli: int = 0
    settled: str = ""
    agreeing: int = 0
    answers: int = 0
    level: int = 0
    prompt_tokens: int = 0
    type: Literal["verdict"] = "verdict"


@dataclass(frozen=True, slots=True)
class PeerSeen:
    """A peer connected, or its connection is gone."""

    node: NodeId
    up: bool
    type: Literal["peer"] = "peer"


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """A connected peer was not heard for so long. Another one, `by`, hears it; if that is None,
    nobody does who was asked, and it is suspected to be dead until it speaks.
    """

    node: NodeId
    silent_ms: int
    by: NodeId | None
    type: Literal["silent"] = "silent"


@dataclass(frozen=True, slots=True)
class SelfDoubted:
    """Nobody answers this node, or it comes late: it gives others more time before it judges."""

    level: int
    type: Literal["self_doubted"] = "self_doubted"


@dataclass(frozen=True, slots=True)
class ClaimRefuted:
    """The vector that an agent's record claims for a skill is not of the skill's words."""

    node: NodeId
    agent: str
    skill: str
    type: Literal["claim_refuted"] = "claim_refuted"


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """A capability record became known."""

    node: NodeId
    agent: str
    model: str
    type: Literal["agent"] = "agent"


@dataclass(frozen=True, slots=True)
class OwnLogForked:
    """Our own log was continued elsewhere: appending stops until a person has looked."""

    seq: int
    type: Literal["own_log_forked"] = "own_log_forked"


@dataclass(frozen=True, slots=True)
class OwnLogRetired:
    """Our own key was retired at this number: this node never appends again under it."""

    seq: int
    type: Literal["own_log_retired"] = "own_log_retired"


@dataclass(frozen=True, slots=True)
class LogRetired:
    """A node's log ended with its retirement; `successor` goes on."""

    node: NodeId
    seq: int
    successor: NodeId
    type: Literal["log_retired"] = "log_retired"


@dataclass(frozen=True, slots=True)
class LogForked:
    """A node signed two entries of one number: nothing that it says counts any more."""

    node: NodeId
    seq: int
    type: Literal["log_forked"] = "log_forked"


@dataclass(frozen=True, slots=True)
class OwnLogChecked:
    """Peers confirmed where our own log ends: this node may append."""

    seq: int
    answers: int
    type: Literal["own_log_checked"] = "own_log_checked"


@dataclass(frozen=True, slots=True)
class OwnLogUnconfirmed:
    """No peer has said where our own log ends: this node does not append until one has."""

    seq: int
    type: Literal["own_log_unconfirmed"] = "own_log_unconfirmed"


@dataclass(frozen=True, slots=True)
class OwnLogShort:
    """Our own log ends before what this node has said already, and no peer has the rest."""

    seq: int
    said: int
    type: Literal["own_log_short"] = "own_log_short"


TaskEvent = (
    TaskAccepted
    | TaskResumed
    | TaskEntrusted
    | TaskTakenOver
    | TaskSteppedBack
    | BeaconSent
    | BidHeard
    | UnitAwarded
    | TokensSeen
    | UnitDone
    | PlanMade
    | FailedOver
    | UnitHedged
    | ChainFailed
    | BallotCast
    | TaskEnded
)
Event = (
    TaskEvent
    | PeerSeen
    | PeerSilent
    | SelfDoubted
    | AgentSeen
    | ClaimRefuted
    | LogForked
    | LogRetired
    | OwnLogForked
    | OwnLogRetired
    | OwnLogChecked
    | OwnLogUnconfirmed
    | OwnLogShort
)


def as_json(value: Any) -> Any:
    """An event as plain JSON values: bytes as hexadecimal, tuples as lists, type first."""
    match value:
        case bytes():
            return value.hex()
        case tuple() | list():
            return [as_json(item) for item in value]
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case None | bool() | int() | float() | str():
            return value
        case _:
            plain = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
            tag = plain.pop("type", None)
            return {"type": tag, **plain} if tag else plain
