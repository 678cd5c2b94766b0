"""Is the vote over, and what does each ballot weigh? One pure function, run by the conductor after
every ballot and by the reader of a receipt once more.

Weights come from `weighing`. Under `match` and `majority` a ballot's weight is its own business,
and one that is still out weighs a full one at most. Under `reliability` the weights hang together,
but not on the answers: as soon as the owners of all ballots that are out are elected (`awaited`),
everybody's weight is fixed. Under `confidence` and `ranked` nothing is known beforehand.

    exact       what is out can't change the winner, or even draw level
    certified   at level α the winner is what most of the task's chains would answer
                (`weighing.stopping`): one chain, one draw, in the order of their numbers
    tied        all chains have ended, and two answers are level; the order of `vote.tally` decides
    open        none of these yet

The certificate is about the chains as this conductor draws them, each the same way as the one
before; it does not say that the answer is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symphony.core.records import Rule, Settled
from symphony.core.vote import Class, Vote, decided, tally
from symphony.core.weighing import (
    FULL_WEIGHT,
    CastBallot,
    Certificate,
    Draw,
    Grounds,
    certify,
    weigh,
)

_OWN_WEIGHT: frozenset[Rule] = frozenset({"match", "majority"})
"""Rules under which a ballot's weight depends on nothing but its own chain."""


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
    classes = tuple(tally(votes))
    certificate = _certificate(known, alpha_ppm)
    state: Settled = "open"
    if classes and _exact(rule, known, classes, sum(weights[len(ballots) :])):
        state = "exact"
    elif classes and certificate.state != "open" and certificate.key == classes[0].key:
        state = "certified"
    elif classes and not known.outstanding:
        state = "tied"
    return Settlement(votes, classes, state, certificate)


def _exact(rule: Rule, known: Ballots, classes: Sequence[Class], awaited: int) -> bool:
    if not known.outstanding:
        most = 0
    elif rule in _OWN_WEIGHT:
        most = known.outstanding * FULL_WEIGHT
    elif rule == "reliability" and len(known.awaited) == known.outstanding:
        most = awaited
    else:
        return False
    return decided(classes, most)


def _certificate(known: Ballots, alpha_ppm: int) -> Certificate:
    if not alpha_ppm:
        return Certificate("open", None)
    key_of = {cast.ballot.chain: cast.ballot.key for cast in known.cast}
    draws = [Draw(key_of.get(chain), FULL_WEIGHT) for chain in range(known.drawn)]
    return certify(draws, (known.chains - known.drawn) * FULL_WEIGHT, alpha_ppm)


def next_wave(known: Ballots, alpha_ppm: int) -> int:
    """How many more chains to begin: the fewest that could certify the answer that leads, were all
    of them for it. All of the rest if none could, and without a level.
    """
    rest = known.chains - known.drawn
    if not alpha_ppm:
        return rest
    key_of = {cast.ballot.chain: cast.ballot.key for cast in known.cast}
    draws = [Draw(key_of.get(chain), FULL_WEIGHT) for chain in range(known.drawn)]
    leader = certify(draws, None, alpha_ppm).key
    for more in range(1, rest):
        hoped = [*draws, *[Draw(leader or "", FULL_WEIGHT)] * more]
        if certify(hoped, (rest - more) * FULL_WEIGHT, alpha_ppm).state != "open":
            return more
    return rest
