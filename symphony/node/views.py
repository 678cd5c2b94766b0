"""What the node shows of itself: the core's state as the gateway's plain views."""

from __future__ import annotations

from typing import Any

from ledger import Entry, did_key, peer_id, physical_ms
from ledger.errors import DecodeError
from symphony.core.directory import Directory, Listing
from symphony.core.events import as_json
from symphony.core.ids import NodeId, TaskId
from symphony.core.records import AWARD, CAPABILITY, RESULT, TASK, VERDICT
from symphony.gateway.port import AgentView, EntryView, PeerView, SkillView, TaskView
from symphony.net import PeerInfo
from symphony.node.hub import TaskStory

_BODIES: dict[int, tuple[str, Any]] = {
    1: ("capability", CAPABILITY),
    2: ("task", TASK),
    3: ("award", AWARD),
    4: ("result", RESULT),
    5: ("verdict", VERDICT),
}


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
    name, codec = _BODIES.get(entry.kind, (f"kind-{entry.kind}", None))
    body: Any = None
    if codec is not None and entry.body is not None:
        try:
            body = as_json(codec.decode(entry.body))
        except DecodeError as error:
            body = {"unreadable": str(error)}
    return EntryView(
        position=position,
        entry=entry.id.hex(),
        author=did_key(entry.author),
        seq=entry.seq,
        kind=name,
        wall_ms=physical_ms(entry.hlc),
        size_bytes=len(entry.encode()),
        body=body,
    )
