"""One benchmark, one kind of pool: what each rule makes of the same recorded answers.

For every pool that was drawn and each half of the questions, weights are learnt on one half and
votes taken on the other. A row is the mean over pools, per question; its interval resamples the
questions.

Rows beside the five rules: `default` is the rule that `auto` chooses given the evidence;
`certified` is the default with agents asked one by one until the vote is exact or certified, or the
rest is not worth asking; `exact` is the same with the exact stop only; `waves` is the default with
chains begun in waves, as a conductor does;
`reliability@10` knows 10 questions instead of half of them; `best_single` is the agent that was
best on the calibration half, `mean_single` the mean of all agents, `oracle` a vote that is right
whenever one agent is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symphony.core.records import Settled
from symphony.core.weighing import RULES, default_rule, effective_milli, weigh
from symphony.errors import UsageError
from symphony.evaluation import limits
from symphony.evaluation.bootstrap import Bootstrap, Interval
from symphony.evaluation.calibration import Fold, best_single, folds, grounds
from symphony.evaluation.casting import ask_in_waves, ask_until_certain, ballots, elect, is_mode
from symphony.evaluation.hostile import ATTACKS, Replies, attackers, mixed_in
from symphony.evaluation.pools import PoolKind, draw_pools
from symphony.evaluation.recordings import Recording, Reply

FEW = f"reliability@{limits.FEW_PROBES}"
Pool = list[Replies]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule's result: rates are shares of 1; `calls` and `tokens` are per question."""

    rule: str
    accuracy: float
    ci: Interval
    calls: float
    tokens: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two rows, in percentage points, with its paired interval."""

    pp: float
    ci: Interval


@dataclass(frozen=True, slots=True)
class PoolReport:
    """Everything about one benchmark and one kind of pool."""

    bench: str
    pool: PoolKind
    questions: int
    pools: int
    agents: int
    default_rule: str
    rows: tuple[Row, ...]
    minus_best_single: Difference
    minus_majority: Difference
    certified_minus_default: Difference
    calls_saved: float
    waves_saved: float
    waves_minus_default: Difference
    certified: float
    exact: float
    divided: float
    false_certified: float
    effective_votes: float
    attacks: dict[str, Difference]


@dataclass(slots=True)
class _Score:
    """Sums of one row over pools: right answers per question, calls and tokens in all."""

    right: list[float]
    calls: int = 0
    tokens: int = 0
    untold: bool = False

    def add(self, at: int, right: float, asked: Sequence[Reply]) -> None:
        self.right[at] += right
        self.calls += len(asked)
        for reply in asked:
            if reply.tokens is None:
                self.untold = True
            else:
                self.tokens += reply.tokens


@dataclass(slots=True)
class _Tally:
    """All sums of one study."""

    questions: int
    scores: dict[str, _Score] = field(default_factory=dict)
    votes: int = 0
    states: Counter[Settled] = field(default_factory=Counter)
    false_certified: int = 0
    effective: list[float] = field(default_factory=list)
    default_rules: set[str] = field(default_factory=set)

    def score(self, row: str) -> _Score:
        return self.scores.setdefault(row, _Score([0.0] * self.questions))


def study(
    recording: Recording,
    kind: PoolKind,
    alpha_ppm: int,
    *,
    pools: int | None = None,
    hostile: bool = False,
) -> PoolReport:
    """Vote on all questions in `pools` pools of a kind; None takes the usual number.

    Raises `UsageError` if it can't be done.
    """
    halves = folds(recording)
    if not halves:
        raise UsageError(f"{recording.bench} has too few questions", hint="use a larger set")
    usual = limits.MIXED_POOLS if kind == "mixed" else limits.POOLS
    drawn = draw_pools(recording, kind, usual if pools is None else pools)
    sums = _Tally(len(recording.questions))
    for number, names in enumerate(drawn):
        replies = [recording.replies[name] for name in names]
        for fold in halves:
            _vote(sums, names, replies, fold, alpha_ppm, number.to_bytes(4, "big"))
            for attack in ATTACKS if hostile else ():
                hostile_ones = attackers(recording, names, attack)
                joined = mixed_in(replies, hostile_ones, number.to_bytes(4, "big"))
                _under_attack(sums.score(attack), joined, fold)
    return _report(recording, kind, sums, drawn)


def _vote(
    sums: _Tally, names: Sequence[str], replies: Pool, fold: Fold, alpha_ppm: int, pool: bytes
) -> None:
    known = grounds(replies, names, fold.learn)
    few = grounds(replies, names, fold.learn[: limits.FEW_PROBES])
    entrants = ballots(names)
    default = default_rule(entrants, known)
    weights: dict[str, list[int]] = {rule: weigh(rule, entrants, known) for rule in RULES}
    weights["default"] = weights[default]
    weights[FEW] = weigh("reliability", entrants, few)
    best = best_single(replies, fold.learn)
    sums.default_rules.add(default)
    sums.effective.append(effective_milli(entrants, weights["default"], known) / 1000)
    for at in fold.vote:
        said = [row[at] for row in replies]
        sums.votes += 1
        for rule, outcome in _outcomes(said, weights):
            sums.score(rule).add(at, outcome, said)
        sums.score("best_single").add(at, said[best].right, said[best : best + 1])
        sums.score("mean_single").add(at, sum(r.right for r in said) / len(said), said[:1])
        sums.score("oracle").add(at, any(r.right for r in said), said)
        _stop(sums, said, weights["default"], alpha_ppm, at, pool)


def _outcomes(said: Sequence[Reply], weights: dict[str, list[int]]) -> Iterator[tuple[str, bool]]:
    """Each rule's vote. Rules that weigh alike vote alike, so such a vote is taken once."""
    found: dict[tuple[int, ...], bool] = {}
    for rule, scale in weights.items():
        name = tuple(scale)
        if name not in found:
            found[name] = _is_right(said, elect(said, scale))
        yield rule, found[name]


def _stop(
    sums: _Tally, said: Sequence[Reply], scale: list[int], alpha_ppm: int, at: int, pool: bytes
) -> None:
    seed = pool + at.to_bytes(4, "big")
    asked = ask_until_certain(said, scale, alpha_ppm, seed)
    right = _is_right(said, asked.answer)
    sums.score("certified").add(at, right, [said[agent] for agent in asked.agents])
    others = {
        "exact": ask_until_certain(said, scale, 0, seed),
        "waves": ask_in_waves(said, scale, alpha_ppm, seed),
    }
    for name, other in others.items():
        right = _is_right(said, other.answer)
        sums.score(name).add(at, right, [said[agent] for agent in other.agents])
    sums.states[asked.state] += 1
    sums.false_certified += asked.state == "certified" and not is_mode(said, asked.answer)


def _is_right(said: Sequence[Reply], key: str | None) -> bool:
    return any(reply.right and reply.key == key for reply in said)


def _under_attack(score: _Score, joined: dict[str, Replies], fold: Fold) -> None:
    names, rows = list(joined), list(joined.values())
    known = grounds(rows, names, fold.learn)
    entrants = ballots(names)
    weights = weigh(default_rule(entrants, known), entrants, known)
    for at in fold.vote:
        said = [row[at] for row in rows]
        score.add(at, _is_right(said, elect(said, weights)), said)


def _report(
    recording: Recording, kind: PoolKind, sums: _Tally, drawn: list[tuple[str, ...]]
) -> PoolReport:
    count = len(drawn)
    bootstrap = Bootstrap(sums.questions)
    means = {row: [value / count for value in score.right] for row, score in sums.scores.items()}

    def row(name: str) -> Row:
        score, values = sums.scores[name], means[name]
        asked = sums.votes
        tokens = None if score.untold else score.tokens / asked
        accuracy = sum(values) / len(values)
        return Row(name, accuracy, bootstrap.interval(values), score.calls / asked, tokens)

    def minus(left: str, right: str) -> Difference:
        values = [100 * (a - b) for a, b in zip(means[left], means[right], strict=True)]
        return Difference(sum(values) / len(values), bootstrap.interval(values))

    asked = sums.scores["default"].calls
    return PoolReport(
        bench=recording.bench,
        pool=kind,
        questions=sums.questions,
        pools=count,
        agents=len(drawn[0]),
        default_rule=" or ".join(sorted(sums.default_rules)),
        rows=tuple(row(name) for name in sums.scores if name not in ATTACKS),
        minus_best_single=minus("default", "best_single"),
        minus_majority=minus("default", "majority"),
        certified_minus_default=minus("certified", "default"),
        calls_saved=1 - sums.scores["certified"].calls / asked,
        waves_saved=1 - sums.scores["waves"].calls / asked,
        waves_minus_default=minus("waves", "default"),
        certified=sums.states["certified"] / sums.votes,
        exact=sums.states["exact"] / sums.votes,
        divided=sums.states["enough"] / sums.votes,
        false_certified=sums.false_certified / sums.votes,
        effective_votes=sum(sums.effective) / len(sums.effective),
        attacks={name: minus(name, "default") for name in ATTACKS if name in sums.scores},
    )
