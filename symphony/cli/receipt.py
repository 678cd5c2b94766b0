"""`symphony receipt`: check what stands behind an answer. Needs no node and no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from symphony.cli.options import JsonOption
from symphony.cli.show import facts, out, out_json, table

receipt = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Receipts: verify or show one, offline."
)
FileArgument = Annotated[Path, typer.Argument(help="The receipt.", metavar="FILE")]


@receipt.command()
def verify(file: FileArgument, as_json: JsonOption = False) -> None:
    """Check all signatures, recompute the election and the vote. Exits 7 if one does not hold."""
    import hashlib

    from symphony.core.events import as_json as plain
    from symphony.core.receipt import verify_receipt
    from symphony.errors import ReceiptInvalid

    data = read(file)
    digest = hashlib.sha256(data).hexdigest()
    try:
        report = plain(verify_receipt(data))
    except ReceiptInvalid as error:
        if as_json:
            out_json({"ok": False, "digest": digest, "reason": error.message})
        raise
    if as_json:
        out_json({"ok": True, "digest": digest, "report": report})
        return
    out(f"valid: {file}")
    out()
    facts(
        {
            "digest": digest,
            "swarm": report["swarm"],
            "task": report["task"],
            "conductor": report["conductor"],
            "question": report["prompt"],
            "outcome": f"{report['outcome']} by {report['rule']} ({report['stop']})",
            "signed": f"{report['signatures']} entries, {report['awards']} awards",
        }
    )
    table(
        ("chain", "node", "model", "weight", "answer"),
        (
            (b["chain"], b["owner"][:8], b["model"], f"{b['weight'] / 10_000:.1f}%", b["answer"])
            for b in report["ballots"]
        ),
        empty="no ballot was counted",
    )
    out("proven:")
    for sentence in report["proven"]:
        out(f"  + {sentence}")
    out("not proven:")
    for sentence in report["not_proven"]:
        out(f"  - {sentence}")
    if report["answer"] is not None:
        out()
        out(f"answer: {report['answer']}")


@receipt.command()
def show(file: FileArgument) -> None:
    """Print what a receipt says, as JSON, without checking any of it."""
    from ledger.codec import loads
    from ledger.errors import DecodeError
    from symphony.cli.ledger import json_ready
    from symphony.core.receipt import MAX_RECEIPT_BYTES
    from symphony.errors import ReceiptInvalid

    try:
        value: Any = loads(read(file), max_bytes=MAX_RECEIPT_BYTES)
    except DecodeError as error:
        raise ReceiptInvalid(
            f"{file}: is no receipt: {error.message}", hint="fetch it again from the node"
        ) from None
    out_json(json_ready(value))


def read(file: Path) -> bytes:
    """A receipt's bytes. Raises `ReceiptInvalid` for a file larger than any receipt."""
    from symphony.core.receipt import MAX_RECEIPT_BYTES
    from symphony.errors import ReceiptInvalid

    with file.open("rb") as stream:
        data = stream.read(MAX_RECEIPT_BYTES + 1)
    if len(data) > MAX_RECEIPT_BYTES:
        raise ReceiptInvalid(f"{file}: is larger than any receipt", hint="is it the right file?")
    return data
