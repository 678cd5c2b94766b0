"""Timers are values: the core hands them out in `SetTimer`, the edge feeds them back when due.

A timer that is no longer wanted is not cancelled; it fires and the core sees from its own state
that it means nothing any more. So a late or repeated timer is harmless by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

from symphony.core.ids import Epoch, NodeId, TaskId, UnitId


@dataclass(frozen=True, slots=True)
class WindowOver:
    """The bid window of a beacon ends."""

    task: TaskId
    beacon: bytes


@dataclass(frozen=True, slots=True)
class CallAgain:
    """Units that found no owner are called for once more."""

    task: TaskId
    units: tuple[UnitId, ...]


@dataclass(frozen=True, slots=True)
class CallAhead:
    """Conductor: the owners have begun; call for the steps that will follow."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class LeaseOver:
    """Conductor: the owner of this epoch has been silent for 1.1 lease."""

    task: TaskId
    unit: UnitId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class StragglerDue:
    """Conductor: the owner of this epoch is expected to be done by now; `again`: it was given more
    time already.
    """

    task: TaskId
    unit: UnitId
    epoch: Epoch
    again: bool = False


@dataclass(frozen=True, slots=True)
class TendDue:
    """Conductor of a durable task: say that it is alive."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class SilenceOver:
    """One of the line of a durable task: look whether its conductor was heard."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class AskedOver:
    """Conductor that was restarted: the others of the line had their time to say who conducts."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class OwnerLetsGo:
    """Owner: nothing was acknowledged for 0.9 lease."""

    unit: UnitId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Renew:
    """Owner: time to renew the lease."""

    unit: UnitId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class DeadlineOver:
    """The task's own deadline."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class PresenceDue:
    """Say that we are here."""


@dataclass(frozen=True, slots=True)
class PresenceSoon:
    """Say it once more, because somebody new is listening."""


@dataclass(frozen=True, slots=True)
class ContactOver:
    """The time for answers about a quiet peer is up."""

    peer: NodeId
    number: int


@dataclass(frozen=True, slots=True)
class AnswerDue:
    """Go-between: the asker is to hear that the node in question said nothing."""

    node: NodeId
    asker: NodeId
    number: int


@dataclass(frozen=True, slots=True)
class SyncDue:
    """Compare heads with a random peer."""


@dataclass(frozen=True, slots=True)
class PublishDue:
    """Gossip the own entries that have gathered."""


@dataclass(frozen=True, slots=True)
class CapabilitiesDue:
    """Own capability records are about to expire."""


@dataclass(frozen=True, slots=True)
class AskingOver:
    """Peers had their time to say where the own log ends."""


@dataclass(frozen=True, slots=True)
class CheckpointDue:
    """Seal what was written to the own log."""


@dataclass(frozen=True, slots=True)
class CosignDue:
    """Look at the checkpoints that peers have shown."""


@dataclass(frozen=True, slots=True)
class RetentionDue:
    """Bodies that nobody needs any more can be forgotten."""


TaskTimer = WindowOver | CallAgain | CallAhead | LeaseOver | StragglerDue | DeadlineOver
"""The timers of a conductor, each about one of its tasks."""

LineTimer = TendDue | SilenceOver | AskedOver
"""The timers of those in line for a durable task."""

ConductorTimer = TaskTimer | LineTimer
"""All that are about a task."""

PeerTimer = PresenceDue | PresenceSoon | ContactOver | AnswerDue
"""All that are about who is here."""

Timer = (
    ConductorTimer
    | PeerTimer
    | OwnerLetsGo
    | Renew
    | SyncDue
    | PublishDue
    | CapabilitiesDue
    | AskingOver
    | CheckpointDue
    | CosignDue
    | RetentionDue
)
