"""From a task that has just ended to its receipt: everything behind the verdict, in one file."""

from __future__ import annotations

import hashlib

from symphony.core.ids import SwarmId
from symphony.core.receipt import FORMAT, RECEIPT, OpenedText, Receipt
from symphony.core.task_run import TaskRun


def bundle(run: TaskRun, swarm_id: SwarmId) -> bytes:
    """The receipt of `run`, encoded. The verdict is the last of `run.entries`."""
    opened = tuple(
        OpenedText(unit=item.unit, result=item.entry.id, salt=item.salt, text=item.text)
        for item in run.opened.values()
    )
    receipt = Receipt(
        format=FORMAT,
        swarm=swarm_id,
        salt=run.salt,
        prompt=run.spec.prompt,
        entries=tuple(entry.encode() for entry in run.entries),
        capabilities=tuple(listing.entry.encode() for listing in run.listings.values()),
        opened=opened,
    )
    return RECEIPT.encode(receipt)


def receipt_digest(receipt: bytes) -> bytes:
    """The name of a receipt: SHA-256 of its bytes."""
    return hashlib.sha256(receipt).digest()
