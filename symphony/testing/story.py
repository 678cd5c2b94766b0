"""One seed as a readable timeline: what happened to the swarm, and what its tasks made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from symphony.core.effects import Effect, Reject, Tell
from symphony.core.events import (
    AgentSeen,
    BallotCast,
    BeaconSent,
    BidHeard,
    ChainFailed,
    ClaimRefuted,
    Event,
    FailedOver,
    LogForked,
    LogRetired,
    OwnLogChecked,
    OwnLogForked,
    OwnLogRetired,
    OwnLogShort,
    OwnLogUnconfirmed,
    PeerSeen,
    PeerSilent,
    PlanMade,
    SelfDoubted,
    TaskAccepted,
    TaskEnded,
    TokensSeen,
    UnitAwarded,
    UnitDone,
)
from symphony.core.ids import NodeId, TaskId, short
from symphony.core.inputs import Input
from symphony.testing.outcome import Report
from symphony.testing.scenario import Scenario
from symphony.testing.worlds import world_of

_CHARS = 70


class Story:
    """An observer of a world that writes its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.index_of: dict[NodeId, int] = {}

    def handled(self, now_ms: int, node: int, _: Input, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Tell(event):
                    text = self._told(event)
                case Reject(peer, reason):
                    text = f"REJECTS node {self._node(peer)}: {reason}"
                case _:
                    continue
            if text:
                self.lines.append(f"{now_ms:>7} ms  node {node}  {text}")

    def noted(self, now_ms: int, text: str) -> None:
        self.lines.append(f"{now_ms:>7} ms  *       {text}")

    def _node(self, node: NodeId) -> str:
        return str(self.index_of.get(node, "?"))

    def _told(self, event: Event) -> str:
        """One event in a few words; empty for those that every run has in plenty."""
        match event:
            case TokensSeen() | AgentSeen():
                return ""
            case PeerSeen(peer, up):
                return f"{'sees' if up else 'loses'} node {self._node(peer)}"
            case PeerSilent(peer, silent_ms, by):
                said = "suspects it" if by is None else f"node {self._node(by)} hears it"
                return f"hears nothing of node {self._node(peer)} for {silent_ms} ms; {said}"
            case SelfDoubted(level):
                return f"doubts itself ({level})"
            case ClaimRefuted(node, agent, skill):
                return f"does not believe {agent} of node {self._node(node)} that it can {skill}"
            case OwnLogForked(seq):
                return f"ITS OWN LOG FORKED at {seq}"
            case LogForked(node, seq):
                return f"node {self._node(node)} is frozen: its log forked at {seq}"
            case LogRetired(node, seq, successor):
                return f"node {self._node(node)} retired at {seq} for node {self._node(successor)}"
            case OwnLogRetired(seq):
                return f"ITS OWN KEY WAS RETIRED at {seq}"
            case OwnLogChecked(seq, answers):
                return f"may append after {seq}: {answers} peers know no more"
            case OwnLogUnconfirmed(seq):
                return f"may not append after {seq}: no peer has answered"
            case OwnLogShort(seq, said):
                return f"LOST ITS OWN ENTRIES {seq + 1} to {said}"
            case _:
                return f"task {_name(event.task)}  {self._of_task(event)}"

    def _of_task(self, event: Event) -> str:
        match event:
            case TaskAccepted():
                return f"begins: {event.chains} chains, rule {event.rule}, plan {event.planning}"
            case BeaconSent(units=units, asked=asked):
                return f"calls {asked} nodes for {', '.join(units)}"
            case BidHeard(node=node, agents=agents, units=units):
                return f"hears {units} bids from node {self._node(node)} {' '.join(agents)}"
            case UnitAwarded():
                owner = f"{event.agent} of node {self._node(event.owner)}"
                return f"{event.unit} epoch {event.epoch} goes to {owner} ({event.score} ppm)"
            case UnitDone():
                owner = self._node(event.owner)
                return f"{event.unit} done by node {owner}: {event.output!r:.{_CHARS}}"
            case PlanMade():
                text = f"chain {event.chain} has a plan of {len(event.steps)} steps"
                return f"{text}; {event.fallback}" if event.fallback else text
            case FailedOver():
                owner = self._node(event.owner)
                return f"{event.unit} epoch {event.epoch} taken from node {owner}: {event.reason}"
            case ChainFailed(chain=chain, reason=reason):
                return f"chain {chain} failed: {reason}"
            case BallotCast():
                return f"chain {event.chain} votes {event.answer!r:.{_CHARS}} ({event.weight} ppm)"
            case TaskEnded():
                answer = f" {event.answer!r:.{_CHARS}}" if event.answer else ""
                return f"ENDS {event.outcome}{answer}: {event.stop}"
            case _:
                return event.type


def _name(task: TaskId) -> str:
    return short(task)


def tell(scenario: Scenario) -> Iterator[str]:
    """Run a scenario and yield its story: the circumstances, the timeline, the findings."""
    story = Story()
    world = world_of(scenario, story)
    story.index_of = dict(world.index_of)
    yield f"seed {scenario.seed}: {', '.join(sorted(scenario.kinds)) or 'a clear sky'}"
    report = world.run()
    yield from story.lines
    yield from findings(report)


def findings(report: Report) -> Iterator[str]:
    """What was violated in a run, one line each."""
    yield f"digest {report.digest}, {report.events} events in {report.sim_ms} simulated ms"
    for text in report.violations:
        yield f"VIOLATION: {text}"
