"""The grounds of a live vote: from entries of the ledger to the evidence on its voters.

The conductor cites entries of evidence (`evidence_book`); the verdict names them and the receipt
holds them, so that a reader computes the same weights (`grounds_of`). Only entries from before the
task count, at the age that they had when it was submitted: the weights are fixed before the
ballots. What the conductor leaves out can't be seen in a receipt.

Verdicts also tell how often two voters agreed when both had voted, whoever was right: that is
what gives away an echo (`weighing.resemblance`), and how many independent votes there are.

A voter's evidence is that of the skill it was asked for, and half of what is known of it in
others: models that are good at one thing mostly are at another, and little is known of most.

No author decides alone. What one says of an agent, in all skills together, weighs thirty trials at
the most, so inventing skills adds nothing, and no more than what the middle one says of those who
asked the agent themselves (three trials in any case), so shouting adds nothing either. What one
says of a pair is too little to make an echo of anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations

from ledger import Entry
from ledger.clock import physical_ms
from symphony.core.ids import NodeId
from symphony.core.records import Rule
from symphony.core.votes.evidence import (
    MAX_OF_AUTHOR_MILLI,
    PROBE_MILLI,
    Counts,
    Skilled,
    capped,
    faded,
    sums_by_author,
    trials_in,
    votes_in,
)
from symphony.core.weighing import Agreement, Caps, Comparison, Evidence, Grounds
from symphony.core.weighing.resemblance import MAX_OF_PAIR_MILLI, pair

EVIDENT: frozenset[Rule] = frozenset({"reliability", "ranked"})
"""Rules that rest on evidence: of the voters, or of the judges."""
LEAST_WORD_MILLI = 3_000
"""Every author's word counts for three trials, if it has them, however little others say."""
AWAITING: frozenset[Rule] = frozenset({"match", "majority", "reliability"})
"""Rules whose weights hang together, and are known as soon as all owners are."""


def agent_key(node: bytes, agent: str) -> str:
    """The name of an agent among all nodes', as `weighing` wants it."""
    return f"{node.hex()}/{agent}"


def grounds_of(
    cited: Iterable[Entry],
    voters: Collection[Skilled],
    at_ms: int,
    comparisons: tuple[Comparison, ...] = (),
) -> Grounds:
    """What is known of these voters (and judges) from the cited entries at a moment, what judges
    said, and the caps.
    """
    cited = list(cited)
    trials = [trial for entry in cited for trial in trials_in(entry)]
    probed = {(trial.node, trial.agent, trial.author) for trial in trials if trial.probed}
    about: dict[tuple[NodeId, str], list[tuple[str, NodeId, Sequence[int]]]] = {}
    for ((node, agent, skill), author), said in sums_by_author(trials, at_ms).items():
        about.setdefault((node, agent), []).append((skill, author, said))
    evidence: dict[str, Evidence] = {}
    for node, agent, skill in voters:
        words = _words(about.get((node, agent), ()), skill)
        found = _known(words, {who for who in words if (node, agent, who) in probed})
        if found != Counts():
            key = agent_key(node, agent)
            evidence[key] = Evidence(found.right_milli, found.wrong_milli)
    agents = {(node, agent) for node, agent, _ in voters}
    agreement = agreement_of(cited, agents, at_ms)
    return Grounds(evidence, agreement, comparisons, Caps())


def _words(
    said: Iterable[tuple[str, NodeId, Sequence[int]]], asked: str
) -> Mapping[NodeId, Counts]:
    """What each author says of an agent at a skill: its word about other skills fills what that
    about this one leaves of the cap.
    """
    by_author: dict[NodeId, tuple[list[int], list[int]]] = {}
    for skill, author, sums in said:
        here = by_author.setdefault(author, ([0, 0], [0, 0]))[skill != asked]
        here[0] += sums[0]
        here[1] += sums[1]
    words = {}
    for author, (at_it, at_others) in by_author.items():
        mine = capped(at_it, MAX_OF_AUTHOR_MILLI)
        room = MAX_OF_AUTHOR_MILLI - min(MAX_OF_AUTHOR_MILLI, sum(at_it))
        words[author] = mine + capped([part // 2 for part in at_others], room)
    return words


def _known(words: Mapping[NodeId, Counts], probers: Collection[NodeId]) -> Counts:
    """What all authors together know of an agent, no word weighing more than the middle one of
    those who asked it themselves; of an even number the larger of the two in the middle.
    """
    sizes = sorted(words[author].right_milli + words[author].wrong_milli for author in probers)
    middle = sizes[len(sizes) // 2] if sizes else MAX_OF_AUTHOR_MILLI
    most = max(LEAST_WORD_MILLI, middle)
    found = Counts()
    for word in words.values():
        found += capped((word.right_milli, word.wrong_milli), most)
    return found


def agreement_of(
    cited: Iterable[Entry], agents: Collection[tuple[NodeId, str]], at_ms: int
) -> dict[tuple[str, str], Agreement]:
    """How often each two of these agents voted in one task, and how often alike; faded like all
    evidence, and of each author no more than `MAX_OF_PAIR_MILLI`. What an author says of its own
    agents does not count.
    """
    sums: dict[tuple[tuple[str, str], bytes], list[int]] = {}
    for entry in cited:
        weight = faded(PROBE_MILLI, at_ms - physical_ms(entry.hlc))
        said = {(v.node, v.agent): v.answer for v in votes_in(entry) if v.node != entry.author}
        seen = sorted((agent_key(*who), said[who]) for who in said.keys() & agents)
        for (left, left_said), (right, right_said) in combinations(seen, 2):
            both = sums.setdefault((pair(left, right), entry.author), [0, 0])
            both[left_said != right_said] += weight
    found: dict[tuple[str, str], Agreement] = {}
    for (names, _), alike_and_not in sums.items():
        word = capped(alike_and_not, MAX_OF_PAIR_MILLI)
        before = found.get(names, Agreement(0, 0))
        together = before.together_milli + word.right_milli + word.wrong_milli
        found[names] = Agreement(together, before.agreed_milli + word.right_milli)
    return found
