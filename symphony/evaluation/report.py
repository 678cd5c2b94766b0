"""A study as rows of a table, or as one JSON object for other programs.

JSON: `rows` [{bench, pool, rule, accuracy, ci, calls_per_question, tokens_per_question}] and
`summary` [{bench, pool, default_minus_best_single_pp, default_minus_majority_pp, calls_saved_pct,
false_certified_pct, …}]. Accuracies and their intervals are percentages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from symphony.evaluation.study import Difference, PoolReport, Row


def as_json(reports: Sequence[PoolReport], alpha_ppm: int) -> dict[str, Any]:
    """All reports in one object."""
    return {
        "eval": "replay",
        "alpha": alpha_ppm / 1_000_000,
        "rows": [_row(report, row) for report in reports for row in report.rows],
        "summary": [_summary(report) for report in reports],
    }


def as_lines(report: PoolReport) -> Iterator[str]:
    """One report for a person."""
    yield (
        f"{report.bench}, {report.pool}: {report.questions} questions, {report.pools} pools of "
        f"{report.agents} (worth {report.effective_votes:.1f} independent votes)"
    )
    for row in sorted(report.rows, key=lambda row: -row.accuracy):
        low, high = row.ci
        tokens = "" if row.tokens is None else f"{row.tokens:8.0f} tokens"
        yield (
            f"  {row.rule:15} {100 * row.accuracy:5.1f} %  [{100 * low:5.1f}, {100 * high:5.1f}]"
            f"  {row.calls:5.2f} calls{tokens}"
        )
    yield f"  default ({report.default_rule}) - best single  {_pp(report.minus_best_single)}"
    yield f"  default - majority  {_pp(report.minus_majority)}"
    yield (
        f"  certified stop: {100 * report.calls_saved:.0f} % of calls saved, accuracy "
        f"{_pp(report.certified_minus_default)}; exact {100 * report.exact:.1f} %, "
        f"certified {100 * report.certified:.1f} % (falsely {100 * report.false_certified:.2f} %), "
        f"left divided {100 * report.divided:.1f} %"
    )
    yield (
        f"  the same in waves: {100 * report.waves_saved:.0f} % of calls saved, accuracy "
        f"{_pp(report.waves_minus_default)}"
    )
    for attack, loss in report.attacks.items():
        yield f"  with 30 % hostile voters ({attack}): {_pp(loss)}"


def _pp(difference: Difference) -> str:
    low, high = difference.ci
    return f"{difference.pp:+.1f} pp [{low:+.1f}, {high:+.1f}]"


def _row(report: PoolReport, row: Row) -> dict[str, Any]:
    return {
        "bench": report.bench,
        "pool": report.pool,
        "rule": row.rule,
        "accuracy": round(100 * row.accuracy, 3),
        "ci": [round(100 * end, 3) for end in row.ci],
        "calls_per_question": round(row.calls, 3),
        "tokens_per_question": None if row.tokens is None else round(row.tokens, 1),
    }


def _summary(report: PoolReport) -> dict[str, Any]:
    return {
        "bench": report.bench,
        "pool": report.pool,
        "questions": report.questions,
        "pools": report.pools,
        "agents": report.agents,
        "default_rule": report.default_rule,
        "effective_votes": round(report.effective_votes, 2),
        "default_minus_best_single_pp": round(report.minus_best_single.pp, 3),
        "default_minus_best_single_ci": _ends(report.minus_best_single),
        "default_minus_majority_pp": round(report.minus_majority.pp, 3),
        "default_minus_majority_ci": _ends(report.minus_majority),
        "certified_minus_default_pp": round(report.certified_minus_default.pp, 3),
        "certified_minus_default_ci": _ends(report.certified_minus_default),
        "calls_saved_pct": round(100 * report.calls_saved, 2),
        "waves_saved_pct": round(100 * report.waves_saved, 2),
        "waves_minus_default_pp": round(report.waves_minus_default.pp, 3),
        "waves_minus_default_ci": _ends(report.waves_minus_default),
        "certified_pct": round(100 * report.certified, 3),
        "exact_pct": round(100 * report.exact, 3),
        "divided_pct": round(100 * report.divided, 3),
        "false_certified_pct": round(100 * report.false_certified, 3),
        "hostile": {
            attack: {"loss_pp": round(-loss.pp, 3), "ci": [-end for end in _ends(loss)[::-1]]}
            for attack, loss in report.attacks.items()
        },
    }


def _ends(difference: Difference) -> list[float]:
    return [round(end, 3) for end in difference.ci]
