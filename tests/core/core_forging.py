"""What a dishonest conductor writes: a receipt with other records, signed by those it knows."""

# ruff: noqa: ANN202

from dataclasses import replace

from core_stage import SWARM, Stage

from ledger import Head, Kind, parse_entry, seal
from symphony.core.receipts.receipt import RECEIPT
from symphony.core.records import AWARD, RESULT, TASK, VERDICT, ResultRecord, VerdictRecord

CODECS = {Kind.TASK: TASK, Kind.AWARD: AWARD, Kind.RESULT: RESULT, Kind.VERDICT: VERDICT}


def forged(stage: Stage, data: bytes, kind: Kind, change, refs=None):
    """The receipt as it would be signed after `change(record)` in entries of `kind`, and with
    `refs(refs)` as what these refer to.
    """
    signers = {peer.id: peer.signer for peer in stage.peers.values()} | {stage.me: stage.signer}
    receipt = RECEIPT.decode(data)
    renamed = {}
    entries = []
    for raw in receipt.entries:
        entry = parse_entry(raw)
        record = _renamed(CODECS[entry.kind].decode(entry.body), renamed)
        if entry.kind == kind:
            record = change(record)
        named = [renamed.get(ref, ref) for ref in entry.refs]
        head = Head(entry.author, entry.seq - 1, entry.prev, entry.hlc - 1)
        new = seal(
            signers[entry.author],
            SWARM,
            head,
            kind=entry.kind,
            body=CODECS[entry.kind].encode(record),
            hlc=entry.hlc,
            refs=refs(named) if refs is not None and entry.kind == kind else named,
        )
        renamed[entry.id] = new.id
        entries.append(new.encode())
    opened = tuple(replace(o, result=renamed[o.result]) for o in receipt.opened)
    return RECEIPT.encode(replace(receipt, entries=tuple(entries), opened=opened))


def _renamed(record, renamed):
    """References to entries that got a new id."""
    match record:
        case ResultRecord():
            return replace(record, award=renamed[record.award])
        case VerdictRecord():
            ballots = (replace(b, result=renamed[b.result]) for b in record.ballots)
            return replace(record, ballots=tuple(ballots))
        case _:
            return record
