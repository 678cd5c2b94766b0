"""Opening many boxes: the edge's answer to the core's `Unseal`."""

from __future__ import annotations

from collections.abc import Sequence

from symphony.core.messages import about_box
from symphony.node.boxes import BoxKey


def open_boxes(key: BoxKey, task: bytes, boxes: Sequence[bytes]) -> tuple[bytes, ...]:
    """What lies in the boxes about a task, numbered from 1, up to the first that does not open."""
    found: list[bytes] = []
    for number, box in enumerate(boxes, start=1):
        data = key.open(box, about_box(task, number))
        if data is None:
            break
        found.append(data)
    return tuple(found)
