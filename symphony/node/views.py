"""What the node shows of itself: the core's state as the gateway's plain views."""

from __future__ import annotations

from typing import Any

from ledger import (
    Entry,
    Kind,
    did_key,
    parse_checkpoint,
    parse_cosign,
    parse_entry,
    peer_id,
    physical_ms,
)
from ledger.errors import DecodeError, InvalidEntry
from symphony.core.events import as_json
from symphony.core.ids import NodeId, TaskId
from symphony.core.peers.directory import Directory, Listing
from symphony.core.records import AWARD, CAPABILITY, RESULT, TASK, VERDICT
from symphony.core.stewards.charges import Charge
from symphony.gateway.port import AgentView, EntryView, PeerView, SkillView, TaskView
from symphony.net import PeerInfo
from symphony.node.hub import TaskStory

_RECORDS: dict[int, Any] = {
    Kind.CAPABILITY: CAPABILITY,
    Kind.TASK: TASK,
    Kind.AWARD: AWARD,
    Kind.RESULT: RESULT,
    Kind.VERDICT: VERDICT,
}
_KINDS = {int(kind): kind.name.lower() for kind in Kind}


def task_view(task: TaskId, story: TaskStory, me: NodeId) -> TaskView:
    spec = story.spec
    ended = story.ended
    return TaskView(
        id=task.hex(),
        state=ended.outcome if ended is not None else "running",
        conductor=did_key(me),
        prompt=spec.prompt,
        chains=spec.chains,
        rule=spec.rule,
        planning=spec.planning,
        answer_type=spec.answer_type,
        privacy=spec.privacy,
        budget_tokens=spec.budget_tokens,
        deadline_ms=spec.deadline_ms,
        submitted_wall_ms=story.submitted_wall_ms,
        receipt=ended.receipt.hex() if ended is not None else "",
        ended=ended,
    )


def charge_view(charge: Charge, wall_ms: int) -> TaskView:
    """A durable task that another node conducts, as far as its entry tells."""
    entry = parse_entry(charge.entry)
    record = TASK.decode(entry.body or b"")
    return TaskView(
        id=charge.task.hex(),
        state=charge.outcome or "running",
        conductor=did_key(entry.author),
        prompt="",
        chains=record.chains,
        rule=record.rule,
        planning=record.planning,
        answer_type=record.answer_type,
        privacy=record.privacy,
        budget_tokens=record.budget_tokens,
        deadline_ms=record.deadline_ms,
        submitted_wall_ms=min(wall_ms, physical_ms(entry.hlc)),
    )


def agent_view(listing: Listing, me: NodeId, alive: frozenset[NodeId]) -> AgentView:
    capability = listing.capability
    return AgentView(
        node=did_key(listing.node),
        agent=capability.agent,
        local=listing.node == me,
        connected=listing.node in alive,
        roles=capability.roles,
        skills=tuple(SkillView(skill.name, skill.description) for skill in capability.skills),
        model=capability.model,
        lineage=capability.lineage,
        engine=capability.engine,
        context_tokens=capability.context_tokens,
        concurrency=capability.concurrency,
        privacy=capability.privacy,
        capability=listing.id.hex(),
    )


def peer_view(info: PeerInfo, directory: Directory) -> PeerView:
    node = NodeId(info.node_id)
    return PeerView(
        node=did_key(node),
        peer_id=peer_id(node),
        connected=True,
        addresses=(info.address,),
        rtt_ms=info.rtt_ms,
        agents=sum(item.node == node and not item.capability.withdrawn for item in directory),
    )


def entry_view(position: int, entry: Entry) -> EntryView:
    try:
        body = as_json(_body(entry))
    except (DecodeError, InvalidEntry) as error:
        body = {"unreadable": error.message}
    return EntryView(
        position=position,
        entry=entry.id.hex(),
        author=did_key(entry.author),
        seq=entry.seq,
        kind=_KINDS.get(entry.kind, f"kind-{entry.kind}"),
        wall_ms=physical_ms(entry.hlc),
        size_bytes=len(entry.encode()),
        body=body,
    )


def _body(entry: Entry) -> Any:
    """What an entry says; None for a kind that nobody here reads, and for a body that is gone."""
    if entry.body is None:
        return None
    match entry.kind:
        case Kind.CHECKPOINT:
            return parse_checkpoint(entry)
        case Kind.COSIGN:
            return parse_cosign(entry)
        case kind if kind in _RECORDS:
            return _RECORDS[kind].decode(entry.body)
        case _:
            return None
