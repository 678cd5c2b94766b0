"""Is the vote over, and what does each ballot weigh? One pure function, run by the conductor after
every ballot and by the reader of a receipt once more.

Weights come from `weighing`. They hang together, by caps and by what is known of all, but not on
the answers: as soon as the owners of all ballots that are out are elected (`awaited`), everybody's
weight is fixed under `reliability`, and under `match` and `majority` what it can be. Chains that
end without a ballot change the weights of others, so a vote is exact only if it is so without any
of them, too. Of a last chain it need not even be known who answers (`weighing.stands`). Under
`confidence` and `ranked` nothing is known beforehand.

    exact       what is out can't change the winner, or even draw level
    certified   at level α it has most votes among the task's chains (`weighing.stopping`): one
                chain, one draw, in the order of their numbers; only while the ballots weigh about
                the same
    tied        all chains have ended, and two answers are level; the order of `vote.tally` decides
    enough      none of these, but the rest is not worth its calls (`weighing.prospect`); only for
                tasks with a level, which then end without a certificate
    open        none of these yet

Certificate and prospect count chains, not weights. The certificate is about the chains of this
task as its conductor draws them, each as if like the one before; as later elections prefer owners
and lineages that no earlier chain has, they are not quite. It does not say that the answer is
right. Both are asked for only where weights are about even, so that heads decide: where one owner
is known to be far better than others, a few of these that agree say little about the whole vote.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations

from symphony.core.records import Rule, Settled
from symphony.core.votes.vote import Class, Vote, decided, tally
from symphony.core.weighing import (
    OPEN,
    OWN_WEIGHT,
    RULES,
    CastBallot,
    Certificate,
    Grounds,
    certify,
    enough,
    even,
    stands,
    weigh,
)

MOST_AWAITED = 4  # 16 ways to weigh, a millisecond each: of nine chains five can settle it


@dataclass(frozen=True, slots=True)
class Cast:
    """A ballot as it is weighed, with its answer as it was written."""

    ballot: CastBallot
    answer: str


@dataclass(frozen=True, slots=True)
class Ballots:
    """All that is known of one task's vote. `outstanding` chains have neither voted nor failed;
    `awaited` are those of them whose last owner is elected, with empty keys. The first `drawn`
    chains, by number, have ended.
    """

    chains: int
    cast: tuple[Cast, ...]
    outstanding: int
    drawn: int
    awaited: tuple[CastBallot, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """Where the vote stands: the votes with their weights, their classes, winner first."""

    votes: tuple[Vote, ...]
    classes: tuple[Class, ...]
    state: Settled
    certificate: Certificate

    @property
    def weights(self) -> list[int]:
        return [vote.weight for vote in self.votes]


def settle(rule: Rule, known: Ballots, alpha_ppm: int, grounds: Grounds) -> Settlement:
    """Weigh the ballots, add them up, and say whether the vote is over."""
    ballots = [cast.ballot for cast in known.cast]
    weights = weigh(rule, [*ballots, *known.awaited], grounds)
    votes = tuple(
        Vote(cast.ballot.chain, cast.ballot.key, cast.answer, weight)
        for cast, weight in zip(known.cast, weights, strict=False)
    )
    most = _most_to_come(rule, known, sum(weights[len(ballots) :]), grounds)
    if most and not _even_if_some_fail(known, votes, most, grounds):
        most = None
    return standing(votes, known, most, alpha_ppm)


def is_answered(state: Settled, alpha_ppm: int) -> bool:
    """May the leader of a vote be called the answer? Where a level was asked for, a tie is none."""
    return state in ("exact", "certified") or (state == "tied" and not alpha_ppm)


def standing(
    votes: tuple[Vote, ...], known: Ballots, most: int | None, alpha_ppm: int
) -> Settlement:
    """Is a vote over? `most` is what the ballots that are out can weigh; None if nobody knows."""
    classes = tuple(tally(votes))
    draws = _draws(known)
    certificate = certify(draws, known.chains, alpha_ppm) if alpha_ppm else OPEN
    state: Settled = "open"
    if not classes:
        return Settlement(votes, classes, state, certificate)
    leader = classes[0].key
    heads_decide = even([vote.weight for vote in votes])
    if most is not None and decided(classes, most):
        state = "exact"
    elif heads_decide and certificate.state == "certified" and certificate.key == leader:
        state = "certified"
    elif not known.outstanding:
        state = "tied"
    elif heads_decide and alpha_ppm and len(draws) < known.chains:
        state = "enough" if enough(draws, known.chains, leader, alpha_ppm) else "open"
    return Settlement(votes, classes, state, certificate)


def _most_to_come(rule: Rule, known: Ballots, awaited: int, grounds: Grounds) -> int | None:
    """What else another answer can get; 0, too, where it is sure that nothing takes the lead."""
    if not known.outstanding:
        return 0
    if rule in OWN_WEIGHT:
        ballots = [cast.ballot for cast in known.cast]
        own = RULES[rule](ballots, grounds)
        safe = stands(ballots, own, known.awaited, known.outstanding, grounds.caps)
        return 0 if safe else None
    if rule == "reliability" and len(known.awaited) == known.outstanding:
        return awaited
    return None


def _even_if_some_fail(
    known: Ballots, votes: tuple[Vote, ...], most: int, grounds: Grounds
) -> bool:
    """Is a vote under `reliability` that seems exact so, too, if chains end without a ballot? That
    changes the weights of all others a little.
    """
    classes = tally(votes)
    if not decided(classes, most):
        return True  # nothing is claimed
    ballots = [cast.ballot for cast in known.cast]
    if len(known.awaited) > MOST_AWAITED:
        return False
    for count in range(len(known.awaited)):
        for some in combinations(known.awaited, count):
            weights = weigh("reliability", [*ballots, *some], grounds)
            pairs = zip(votes, weights, strict=False)
            then = tally([replace(vote, weight=weight) for vote, weight in pairs])
            left = sum(weights[len(ballots) :])
            if then[0].key != classes[0].key or not decided(then, left):
                return False
    return True


def _draws(known: Ballots) -> list[str | None]:
    """The classes of the chains that have ended, by number."""
    key_of = {cast.ballot.chain: cast.ballot.key for cast in known.cast}
    return [key_of.get(chain) for chain in range(known.drawn)]


def next_wave(known: Ballots, alpha_ppm: int) -> int:
    """How many more chains to begin: the fewest that could certify the answer that leads, were all
    of them for it. All of the rest if none could, and without a level.
    """
    rest = known.chains - known.drawn
    draws = _draws(known)
    if not alpha_ppm:
        return rest
    if certify(draws, known.chains, alpha_ppm).state != "open":
        return rest  # another answer than the one that leads by weight: nothing more is certified
    heads = Counter(key for key in draws if key is not None)
    leader = max(heads, key=lambda key: (heads[key], key), default="")
    for more in range(1, rest):
        if certify([*draws, *[leader] * more], known.chains, alpha_ppm).state != "open":
            return more
    return rest
