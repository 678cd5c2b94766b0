"""What the judges of a receipt compared, and who they were.

Which answers are compared follows from the ballots, and so does how often: each pair is shown to at
most two judges, to one of them the other way round (`votes.comparison`). A conductor that asks on
until it likes what is said is refused, also if it shows only some of it. A judge saw just the two
outputs that voted; neither its node nor its operator gave one of the two answers, nor compares the
same pair a second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from symphony.core.beacon.match import best_skill
from symphony.core.ids import EntryId, NodeId, UnitId, salted_digest
from symphony.core.messages import encode_order
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.receipts.steps import steps_of
from symphony.core.records import Award, TaskRecord, VerdictRecord
from symphony.core.votes.comparison import (
    Pair,
    comparison_order,
    comparisons_in,
    pair_in,
    pairs_to_compare,
    shown_to_judges,
)
from symphony.core.votes.evidence import Skilled
from symphony.core.votes.grounds import agent_key
from symphony.core.votes.vote import Vote, tally
from symphony.core.weighing import CastBallot, Comparison

Judged = tuple[Skilled, tuple[Comparison, ...]]


def judged(
    checked: Checked, task: TaskRecord, verdict: VerdictRecord, ballots: Sequence[CastBallot]
) -> list[Judged]:
    """What each judge said. Raises `ReceiptInvalid` for one that was not to be asked."""
    names = sorted(name for name in checked.texts if name.startswith("judge/"))
    _to_be_asked(checked, task, verdict, ballots, names)
    parties: defaultdict[frozenset[int], set[str]] = defaultdict(set)
    found = []
    for name in names:
        _was_shown(checked, name)
        award = checked.texts[name][2]
        pair = frozenset(pair_in(name))
        keys = {ballot.key for ballot in ballots if ballot.chain in pair}
        voters = {of for b in ballots if b.key in keys for of in (b.node, b.operator) if of}
        judge = {of for of in (award.owner.hex(), checked.operator_of(award.capability)) if of}
        if judge & voters:
            refuse(f"the judge of {name}, or its operator, gave one of the two answers")
        if judge & parties[pair]:
            refuse(f"the judge of {name}, or its operator, compares the two twice")
        parties[pair] |= judge
        found.append(_said(checked, name, award))
    return found


def _to_be_asked(
    checked: Checked,
    task: TaskRecord,
    verdict: VerdictRecord,
    ballots: Sequence[CastBallot],
    names: Sequence[str],
) -> None:
    """Are these the comparisons that the ballots call for, none of them twice?"""
    if names and (task.rule != "ranked" or verdict.outstanding):
        refuse(f"{names[0]} compares answers that were not to be compared")
    classes = tally([Vote(ballot.chain, ballot.key, "", 0) for ballot in ballots])
    due = shown_to_judges(pairs_to_compare(classes))
    for name in names:
        if pair_in(name) not in due:
            refuse(f"{name} compares answers that were not to be compared")
    called: dict[Pair, str] = {}
    for award in checked.awards.values():
        if award.requirement.role == "judge":
            other = called.setdefault(pair_in(award.name), award.name)
            if other != award.name:
                refuse(f"{award.name} asks what {other} asks")


def _was_shown(checked: Checked, name: str) -> None:
    """Did the judge sign for having seen just the two outputs that voted?"""
    result, _, award = checked.texts[name]
    seen = [checked.texts[steps_of(checked, chain)[-1]][1] for chain in pair_in(name)]
    order = comparison_order(checked.prompt, UnitId(award.unit), *seen)
    given = salted_digest("input", checked.salts[name], encode_order(order))
    if checked.results[result][1].input != given:
        refuse(f"the judge of {name} was shown something else")


def _said(checked: Checked, name: str, award: Award) -> Judged:
    capability = checked.capabilities[EntryId(award.capability)][1]
    node = NodeId(award.owner)
    who = agent_key(node, award.agent), node.hex(), capability.operator or ""
    words = comparisons_in(name, checked.texts[name][1], *who)
    if not words:
        refuse(f"the judge of {name} did not say which answer is better")
    return (node, award.agent, best_skill(capability, award.requirement)), words
