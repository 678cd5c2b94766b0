"""The one form of a receipt: what belongs into it, each thing once, in one order.

    entries        the task, the awards as they were made, results in the order of their awards,
                   the verdict
    capabilities   those that bids in the awards name, by id
    opened         in the order of their results

So of one verdict there is one receipt, and nothing is hidden in what nobody looks at. Whoever makes
one goes by it (`in_form`), and its reader checks it (`closed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ledger import Entry, Kind
from symphony.core.ids import EntryId, UnitId
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.records import AWARD, RESULT, Award, ResultRecord

Place = tuple[UnitId, int]


def in_form(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of a task as they stand in its receipt, the results last before the verdict."""
    results = [entry for entry in entries if entry.kind == Kind.RESULT]
    turn = {place: at for at, place in enumerate(_awarded(entries))}
    last = len(turn)
    results.sort(key=lambda entry: turn.get(_place(RESULT.decode(entry.body or b"")), last))
    *others, verdict = (entry for entry in entries if entry.kind != Kind.RESULT)
    return [*others, *results, verdict]


def bidders(entries: Iterable[Entry]) -> list[EntryId]:
    """The capability entries that bids in these awards name, by id."""
    return sorted({EntryId(c.capability) for award in _awards(entries) for c in award.candidates})


def _awards(entries: Iterable[Entry]) -> Iterator[Award]:
    for entry in entries:
        if entry.kind == Kind.AWARD:
            yield from AWARD.decode(entry.body or b"").awards


def _awarded(entries: Iterable[Entry]) -> list[Place]:
    return [(UnitId(award.unit), award.epoch) for award in _awards(entries)]


def _place(record: ResultRecord) -> Place:
    return UnitId(record.unit), record.epoch


def closed(checked: Checked, entries: Sequence[Entry], capabilities: Sequence[Entry]) -> None:
    """Raises `ReceiptInvalid` for what stands elsewhere than it should, or should not be there."""
    names = [entry.id for entry in capabilities]
    if names != bidders(entries):
        refuse("the capabilities are not those of the bidders, in the order of their ids")
    if [entry.id for entry in entries] != [entry.id for entry in in_form(entries)]:
        refuse("the results are not in the order of their awards")
    places = [_place(record) for _, record in checked.results.values()]
    if len(set(places)) != len(places):
        refuse("an award has two results")
    shown = [result for result, _, _ in checked.texts.values()]
    turn = {name: at for at, name in enumerate(checked.results)}
    if shown != sorted(shown, key=lambda name: turn[name]):
        refuse("the outputs are not in the order of their results")
