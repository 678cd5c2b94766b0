"""How the chains of a receipt ended: with a ballot, without an answer, or not yet.

What a conductor says of a chain is held against what it shows. A chain whose last output is there
has ended: with a ballot if the output holds an answer, else *blank*. So no answer that is shown is
left out of the vote. Of a chain that shows no last output nobody can tell why.
"""

from __future__ import annotations

from symphony.core.ids import EntryId
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.receipts.steps import last_step
from symphony.core.records import TaskRecord, VerdictRecord
from symphony.core.votes.answers import extract, fitting


def all_counted(checked: Checked, task: TaskRecord, verdict: VerdictRecord) -> None:
    """Raises `ReceiptInvalid` if what is said of the chains is not what their outputs show."""
    voted = [ballot.chain for ballot in verdict.ballots]
    awaited = {item.chain for item in verdict.awaited}
    for chain in range(task.chains):
        name = last_step(checked, chain)
        if name not in checked.texts:
            if chain in verdict.blank:
                refuse(f"chain {chain} is called blank, and its last output is not shown")
            continue
        if chain in awaited:
            refuse(f"chain {chain} is awaited, and has ended")
        if answer_at(checked, task, name) is None:
            if chain not in verdict.blank:
                refuse(f"chain {chain} ended without an answer, and is not called blank")
        elif chain in verdict.blank:
            refuse(f"chain {chain} is called blank, and its last output holds an answer")
        elif chain not in voted:
            refuse(f"chain {chain} gave an answer, and has no ballot")
    _numbers(task, verdict, voted)


def answer_at(checked: Checked, task: TaskRecord, name: str) -> str | None:
    """The answer in the output of a step, read once more."""
    if name not in checked.answers:
        result, text, _ = checked.texts[name]
        cut = checked.results[EntryId(result)][1].cut
        found = extract(text, task.answer_type, task.choices, cut=cut)
        checked.answers[name] = fitting(found, task.answer_type, checked.answer_schema)
    return checked.answers[name]


def _numbers(task: TaskRecord, verdict: VerdictRecord, voted: list[int]) -> None:
    """Do the numbers of chains that voted, are out and were drawn go together?"""
    blank = list(verdict.blank)
    for chains in (voted, blank):
        if chains != sorted(set(chains)) or (chains and chains[-1] >= task.chains):
            refuse("the ballots are not in the order of the task's chains")
    if len(voted) + len(blank) + verdict.outstanding > task.chains:
        refuse("more chains voted or were out than the task has")
    if len(verdict.awaited) > verdict.outstanding:
        refuse("more chains are awaited than were out")
    if verdict.drawn + verdict.outstanding > task.chains:
        refuse("chains count as drawn that had not ended")
    if verdict.drawn < task.chains and not verdict.outstanding:
        refuse("no chain was out, and not all count as drawn")
    if verdict.outstanding and verdict.drawn in (*voted, *blank):
        refuse(f"chain {verdict.drawn} has ended, and does not count as drawn")
