"""`symphony receipt`: check what stands behind an answer. Only `fetch` needs a node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import facts, note, out, out_json, table

receipt = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Receipts: verify or show one, offline; fetch one with its seal.",
)
DIGEST_HEX = 64
FileArgument = Annotated[Path, typer.Argument(help="The receipt.", metavar="FILE")]


@receipt.command()
def verify(
    file: FileArgument,
    algebra: Annotated[
        bool, typer.Option("--algebra", help="Also compare the answers by algebra (extra math).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check all signatures, recompute the election and the vote. Exits 7 if one does not hold."""
    from symphony.core.events import as_json as plain
    from symphony.core.receipts.bundle import receipt_digest
    from symphony.core.receipts.receipt import verify_receipt
    from symphony.errors import ReceiptInvalid

    data = read(file)
    digest = receipt_digest(data).hex()
    try:
        report = plain(verify_receipt(data))
    except ReceiptInvalid as error:
        if as_json:
            out_json({"ok": False, "digest": digest, "reason": error.message})
        raise
    equal = equal_answers(report) if algebra else None
    if as_json:
        found = {} if equal is None else {"equal_by_algebra": equal}
        out_json({"ok": True, "digest": digest, "report": report, **found})
        return
    out(f"valid: {file}")
    out()
    facts(
        {
            "digest": digest,
            "swarm": report["swarm"],
            "task": report["task"],
            "conductor": report["conductor"],
            **({"steward": report["author"]} if report["in_line"]["place"] else {}),
            "question": report["prompt"],
            "outcome": f"{report['outcome']} by {report['rule']} ({report['stop']})",
            **words_of(report),
            "signed": f"{report['signatures']} entries, {report['awards']} awards",
            **passed_over(report),
            "vote": vote_text(report),
            "sealed": sealed_text(report["seal"]),
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
    for left, right in equal or ():
        out(f"equal by algebra, though counted apart: {left} and {right}")
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
def fetch(
    reference: Annotated[
        str, typer.Argument(help="The task's id, how it begins, or the receipt's digest.")
    ],
    file: FileArgument,
    wait: Annotated[
        str, typer.Option(help="For the seal, at most so long.", metavar="TIME")
    ] = "10s",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save a receipt of the running node, once other nodes have witnessed its log."""
    from symphony.cli.door import connected
    from symphony.cli.durations import milliseconds
    from symphony.cli.task import resolve
    from symphony.client.sealed import witnesses
    from symphony.core.receipts.bundle import receipt_digest

    wait_ms = milliseconds(wait)
    with connected(home_of(home)) as swarm:
        whole = len(reference) == DIGEST_HEX
        full = reference if whole else resolve(swarm, reference)
        data = swarm.receipts.get(full, wait_s=wait_ms / 1000)
    count = witnesses(data)
    file.write_bytes(data)
    if as_json:
        out_json({"digest": receipt_digest(data).hex(), "witnesses": count})
        return
    if count is None:
        note("not sealed yet: no checkpoint covers it; fetch it again in a minute")
    else:
        note(f"sealed, seen by {count} other nodes")
    note(f"receipt saved: symphony receipt verify {file}")


def equal_answers(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The pairs of different classes that are equal by algebra. Raises `ExtraMissing`."""
    from itertools import combinations

    from symphony.algebra import equal_by_algebra
    from symphony.core.votes.expression import normal_form

    answers = {normal_form(ballot["answer"]): ballot["answer"] for ballot in report["ballots"]}
    pairs = list(combinations(answers.values(), 2))
    found = equal_by_algebra(pairs)
    return [pair for pair, same in zip(pairs, found, strict=True) if same]


def words_of(report: dict[str, Any]) -> dict[str, str]:
    """What the author of the verdict says of it beyond what was found here: its word, no more."""
    whose = "steward" if report["in_line"]["place"] else "conductor"
    said = report["said"]
    return {f"the {whose} says": repr(said)} if said and said != report["stop"] else {}


def vote_text(report: dict[str, Any]) -> str:
    """How far the vote had come, and what it rests on."""
    count = len(report["ballots"])
    worth = f"{count} ballots ≈ {report['effective_milli'] / 1000:.1f} independent"
    parts = [worth if count > 1 else f"{count} ballot", report["settled"]]
    if report["settled"] == "certified":
        level = report["alpha_ppm"] / 10_000
        parts[-1] += f" at {level:g} %, e-value {report['e_milli'] / 1000:.1f}"
    if report["evidence"]:
        parts.append(f"weights from {report['evidence']} entries of evidence")
    return ", ".join(parts)


def passed_over(report: dict[str, Any]) -> dict[str, str]:
    """The elections that a reader can't hold again without taking the conductor's word."""
    count = report["passed_over"]
    text = f"in {count} of {report['awards']} awards a better bid, by the conductor's word alone"
    return {"passed over": text} if count else {}


def sealed_text(seal: dict[str, Any] | None) -> str:
    """Who saw the log that a receipt's entries stand in, for people."""
    if seal is None:
        return "not yet: no checkpoint of the conductor's log covers it"
    count = len(seal["witnesses"])
    seen = "nobody else" if not count else f"{count} witness{'es' if count > 1 else ''}"
    return f"at size {seal['size']} of the conductor's log, seen by {seen}"


@receipt.command()
def show(file: FileArgument) -> None:
    """Print a receipt in its JSON form, unchecked; `verify` takes that form, too."""
    from symphony.core.receipts.receipt_json import to_json

    out(to_json(read(file)))


def read(file: Path) -> bytes:
    """A receipt's bytes, from either form. Raises `ReceiptInvalid` for a file larger than any."""
    from symphony.core.receipts.receipt import MAX_RECEIPT_BYTES
    from symphony.core.receipts.receipt_json import MAX_JSON_BYTES, from_json
    from symphony.errors import ReceiptInvalid

    with file.open("rb") as stream:
        data = stream.read(MAX_JSON_BYTES + 1)
    as_json = data.lstrip()[:1] == b"{"
    if len(data) > (MAX_JSON_BYTES if as_json else MAX_RECEIPT_BYTES):
        raise ReceiptInvalid(f"{file}: is larger than any receipt", hint="is it the right file?")
    return from_json(data) if as_json else data
