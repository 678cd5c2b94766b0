"""The rule `ranked`: ballots weigh what judges made of their answers, compared in pairs.

Equal answers are one item: who prefers one ballot of a class to another says nothing here. A
judgement counts if

- the judge gave the pair in *both orders*, because models favour the first or the second place;
  two words that contradict each other are a tie;
- neither the judge nor another agent of its node or operator cast either answer, nor any other
  ballot of the two classes: nobody ranks itself.

Judges weigh by their own evidence (`reliability` among the judges). A ballot then weighs the
strength of its class (`bradley_terry`). So the class's sum is strength times number, and with no
comparison the rule is the plain majority.
"""

from __future__ import annotations

from collections.abc import Sequence

from symphony.core.weighing.ballots import FLOOR, CastBallot, Comparison, Grounds
from symphony.core.weighing.bradley_terry import strengths_ppm
from symphony.core.weighing.reliability import reliability


def ranked(ballots: Sequence[CastBallot], grounds: Grounds) -> list[int]:
    """The weights; at least the floor."""
    keys = sorted({ballot.key for ballot in ballots})
    judged = _judgements(ballots, grounds.comparisons)
    judges = {word.agent: word.node for word in judged.values()}
    voters = [CastBallot(0, "", agent, node) for agent, node in sorted(judges.items())]
    say = {voter.agent: w for voter, w in zip(voters, reliability(voters, grounds), strict=True)}
    wins: dict[tuple[str, str], int] = {}
    for (agent, first, second), word in judged.items():
        back = judged.get((agent, second, first))
        if back is None:
            continue
        # Each pair comes by here twice, once for each order: half the judge's weight each time.
        for winner, loser in ((first, second), (second, first)):
            share = _share(word, winner, ballots) + _share(back, winner, ballots)
            wins[winner, loser] = wins.get((winner, loser), 0) + say[agent] * share // 8
    strength = strengths_ppm(keys, wins)
    return [max(FLOOR, strength[ballot.key]) for ballot in ballots]


def _judgements(
    ballots: Sequence[CastBallot], comparisons: Sequence[Comparison]
) -> dict[tuple[str, str, str], Comparison]:
    """The comparisons that count, by judge, first class and second class. A judge that speaks twice
    on one of them is heard once, the first time.
    """
    key_of = {ballot.chain: ballot.key for ballot in ballots}
    parties: dict[str, list[tuple[str, str, str]]] = {}
    for ballot in ballots:
        party = ballot.agent, ballot.node, ballot.operator
        parties.setdefault(ballot.key, []).append(party)
    counted: dict[tuple[str, str, str], Comparison] = {}
    for word in comparisons:
        first, second = key_of.get(word.first), key_of.get(word.second)
        if first is None or second is None or first == second:
            continue
        if word.preferred not in (None, word.first, word.second):
            continue
        judge = word.agent, word.node, word.operator
        own = (*parties[first], *parties[second])
        if any(name and name in them for name, *them in zip(judge, *own, strict=True)):
            continue
        counted.setdefault((word.agent, first, second), word)
    return counted


def _share(word: Comparison, key: str, ballots: Sequence[CastBallot]) -> int:
    """2 if the word prefers this class, 1 for a tie, 0 otherwise."""
    if word.preferred is None:
        return 1
    preferred = next(ballot.key for ballot in ballots if ballot.chain == word.preferred)
    return 2 if preferred == key else 0
