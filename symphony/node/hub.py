"""Where events go: to the log, to whoever watches, and into each task's bounded history.

A watcher that joins late first gets what happened. One that reads slowly loses token events,
which are for the eye only, but never the end of a task. Only one that stops reading altogether
is let go; its channel then ends without a `TaskEnded`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from symphony.core.events import (
    Event,
    TaskAccepted,
    TaskEnded,
    TaskEntrusted,
    TokensSeen,
)
from symphony.core.ids import TaskId
from symphony.core.spec import TaskSpec
from symphony.node import limits
from symphony.node.notebook import EndedTask
from symphony.node.telling import log_event


@dataclass(slots=True)
class TaskStory:
    """What this node remembers of one task that it conducts or conducted."""

    spec: TaskSpec
    submitted_wall_ms: int
    events: deque[Event] = field(default_factory=deque)
    ended: TaskEnded | None = None
    ended_event: trio.Event = field(default_factory=trio.Event)
    begun_event: trio.Event = field(default_factory=trio.Event)
    safe_event: trio.Event = field(default_factory=trio.Event)


@dataclass(slots=True, eq=False)
class _Watcher:
    task: TaskId | None
    waiting: deque[Event] = field(default_factory=deque)
    news: trio.Event = field(default_factory=trio.Event)
    over: bool = False


def ended_task(story: TaskStory) -> EndedTask | None:
    """What is kept of a task that has ended."""
    if story.ended is None:
        return None
    return EndedTask(story.spec, story.submitted_wall_ms, story.ended)


class Hub:
    """The one place that events pass through."""

    def __init__(self) -> None:
        self._stories: OrderedDict[TaskId, TaskStory] = OrderedDict()
        self._watchers: set[_Watcher] = set()
        self.failovers = 0

    def begin(self, task: TaskId, spec: TaskSpec, wall_ms: int) -> None:
        """A task was submitted; from here on its story is kept."""
        self._stories[task] = TaskStory(spec, wall_ms)

    def recall(self, task: TaskId, kept: EndedTask) -> None:
        """A task that ended before the node was started again: of its events only the last."""
        story = TaskStory(kept.spec, kept.wall_ms, deque([kept.ended]), kept.ended)
        story.ended_event.set()
        self._stories[task] = story

    async def begun(self, task: TaskId) -> None:
        """Wait until something was said of a task: it is on the disk then, or was refused. If it
        is to be durable, another node has it then, too.
        """
        story = self._stories.get(task)
        if story is not None:
            await story.begun_event.wait()
            if story.spec.durable:
                await story.safe_event.wait()

    def story(self, task: TaskId) -> TaskStory | None:
        return self._stories.get(task)

    def stories(self) -> list[tuple[TaskId, TaskStory]]:
        """Newest first."""
        return list(reversed(self._stories.items()))

    def tell(self, event: Event) -> None:
        """Log the event, remember it, and pass it on. Never waits."""
        task: TaskId | None = getattr(event, "task", None)
        log_event(event)
        story = self._stories.get(task) if task is not None else None
        if story is not None:
            _remember(story, event)
            story.begun_event.set()
            if isinstance(event, TaskEntrusted | TaskEnded):
                story.safe_event.set()
        for watcher in list(self._watchers):
            if watcher.task is None or watcher.task == task:
                _offer(watcher, event)
        if isinstance(event, TaskEnded) and story is not None:
            story.ended_event.set()
            self._forget_old()

    def _forget_old(self) -> None:
        ended = [task for task, story in self._stories.items() if story.ended is not None]
        for task in ended[: max(0, len(ended) - limits.ENDED_TASKS)]:
            del self._stories[task]

    @asynccontextmanager
    async def watch(
        self, task: TaskId | None = None, *, expected: bool = False
    ) -> AsyncIterator[trio.MemoryReceiveChannel[Event]]:
        """The events of a task from its start, or everybody's from now on. Of a task that is
        `expected` to be heard of here there may be none yet.
        """
        sender, receiver = trio.open_memory_channel[Event](0)
        watcher = _Watcher(task)
        story = self._stories.get(task) if task is not None else None
        if story is not None:
            watcher.waiting.extend(story.events)
            watcher.over = story.ended is not None
        elif task is not None:
            watcher.over = not expected
        watcher.news.set()
        self._watchers.add(watcher)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_pump, watcher, sender)
                with receiver:
                    yield receiver
                nursery.cancel_scope.cancel()
        finally:
            self._watchers.discard(watcher)


def _remember(story: TaskStory, event: Event) -> None:
    if isinstance(event, TaskEnded):
        story.ended = event
    if len(story.events) >= limits.HISTORY_EVENTS:
        if isinstance(event, TokensSeen):
            return
        drop = next((old for old in story.events if isinstance(old, TokensSeen)), None)
        if drop is not None:
            story.events.remove(drop)
        elif not isinstance(event, TaskEnded | TaskAccepted):
            return
    story.events.append(event)


def _offer(watcher: _Watcher, event: Event) -> None:
    waiting = len(watcher.waiting)
    if isinstance(event, TokensSeen) and waiting >= limits.WATCHER_EVENTS:
        return
    if waiting >= limits.WATCHER_MUST:
        watcher.over = True
    else:
        watcher.waiting.append(event)
        if watcher.task is not None and isinstance(event, TaskEnded):
            watcher.over = True
    watcher.news.set()


async def _pump(watcher: _Watcher, sender: trio.MemorySendChannel[Event]) -> None:
    """Hand a watcher what waits for it, until its task is over."""
    with sender:
        while True:
            await watcher.news.wait()
            watcher.news = trio.Event()
            while watcher.waiting:
                try:
                    await sender.send(watcher.waiting.popleft())
                except trio.BrokenResourceError:
                    return
            if watcher.over:
                return
