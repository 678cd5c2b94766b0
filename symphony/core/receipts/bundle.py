"""From a task that has just ended to its receipt: everything behind the verdict, in one file.

A receipt is named by the SHA-256 of its bytes *without* its seal: the verdict is told together
with that name, and the seal comes later.
"""

from __future__ import annotations

import hashlib

from ledger import codec
from ledger.errors import DecodeError
from symphony.core.ids import SwarmId
from symphony.core.receipts.form import bidders, in_form
from symphony.core.receipts.receipt import FORMAT, MAX_RECEIPT_BYTES, RECEIPT, OpenedText, Receipt
from symphony.core.tasks.task_run import TaskRun

_SEAL = codec.dumps("seal")


def bundle(run: TaskRun, swarm_id: SwarmId) -> bytes:
    """The receipt of `run`, encoded. The verdict is the last of `run.entries`."""
    entries = in_form(run.entries)
    turn = {entry.id: at for at, entry in enumerate(entries)}
    opened = tuple(
        OpenedText(unit=item.unit, result=item.entry.id, salt=item.salt, text=item.text)
        for item in sorted(run.opened.values(), key=lambda item: turn[item.entry.id])
    )
    receipt = Receipt(
        format=FORMAT,
        swarm=swarm_id,
        salt=run.salt,
        prompt=run.spec.prompt,
        answer_schema=run.spec.answer_schema,
        entries=tuple(entry.encode() for entry in entries),
        capabilities=tuple(run.listings[name].entry.encode() for name in bidders(entries)),
        opened=opened,
        evidence=tuple(entry.encode() for entry in run.cited),
    )
    return RECEIPT.encode(receipt)


def receipt_digest(receipt: bytes) -> bytes:
    """The name of a receipt, sealed or not: the SHA-256 of its bytes without the seal."""
    return hashlib.sha256(unsealed(receipt)).digest()


def unsealed(receipt: bytes) -> bytes:
    """A receipt as it was before it was sealed. Bytes that are no receipt come back as they are."""
    if _SEAL not in receipt:  # nearly always: it need not be taken apart
        return receipt
    try:
        value = codec.loads(receipt, max_bytes=MAX_RECEIPT_BYTES)
    except DecodeError:
        return receipt
    if not isinstance(value, dict) or "seal" not in value:
        return receipt
    return codec.dumps({name: field for name, field in value.items() if name != "seal"})
