"""A verdict in words: the answer, how many chains gave it, what it cost, and the exit code.

That there is an answer does not say that anybody agrees on it. Where all chains differ, or answers
are level, a warning on stderr says so, with what may help; programs find the same in the fields
`agreeing`, `answers` and `level` of the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symphony.cli.show import counted, duration, note, out

Verdict = Mapping[str, Any]
"""The last event of a task, as plain JSON values."""


def show(verdict: Verdict, answer_type: str) -> None:
    """Print the answer, and say how sure it is."""
    if verdict["answer"]:
        out(verdict["answer"])
    note(summary(verdict))
    for line in doubts(verdict, answer_type):
        note(line)


def conclude(verdict: Verdict) -> None:
    """Leave with the exit code of the outcome: raises its error, if it has one."""
    from symphony.client.faults import error_of

    if verdict["error"]:
        raise error_of(
            verdict["error"],
            verdict["message"] or f"the task ended as {verdict['outcome']}",
            hint=_next_step(verdict),
        )


def summary(verdict: Verdict) -> str:
    """One line: the outcome, the vote, the cost, the receipt."""
    parts = [
        verdict["outcome"],
        *_votes(verdict),
        verdict["stop"],
        f"{verdict['tokens']} tokens",
        duration(verdict["at_ms"]),
    ]
    if verdict["owner_failovers"]:
        parts.append(counted(verdict["owner_failovers"], "failover"))
    if verdict["receipt"]:
        parts.append(f"receipt {verdict['receipt'][:16]}")
    return " | ".join(part for part in parts if part)


def doubts(verdict: Verdict, answer_type: str) -> tuple[str, ...]:
    """A warning and the next step, where an answer is one that the vote itself did not prefer."""
    ballots = len(verdict["ballots"])
    if verdict["outcome"] != "answered" or ballots < 2:
        return ()
    if verdict["level"] > 1:
        what = f"the vote is tied: {verdict['level']} answers weigh the same, this is one of them"
    elif verdict["agreeing"] == 1 and verdict["rule"] != "ranked":  # there, judges compared them
        what = f"no two of the {ballots} chains agree; this is the answer of one"
    else:
        return ()
    ways = ["more --chains"] if verdict["rule"] == "ranked" else ["--rule ranked", "more --chains"]
    if answer_type == "text":
        ways.insert(0, "--answer-type (free text is compared by its wording)")
    return f"warning: {what}", f"next:  {', or '.join(ways)}"


def _votes(verdict: Verdict) -> list[str]:
    """How many chains gave the answer, and how many independent ballots there were."""
    count = len(verdict["ballots"])
    if count < 2:
        return [counted(count, "ballot")]
    agreed = f"{verdict['agreeing']} of {count} chains gave this answer"
    worth = f"{count} ballots ≈ {verdict['effective_milli'] / 1000:.1f} independent"
    return [agreed, worth] if verdict["agreeing"] else [worth]


def _next_step(verdict: Verdict) -> str:
    message = verdict["message"]
    match verdict["error"]:
        case "no_bids" if "durable" in message:
            return "let another node in (symphony invite create), or leave --durable out"
        case "task_failed" if "of the wanted type" in message:
            return "another --answer-type may fit; symphony submit --watch shows what they wrote"
        case "no_bids":
            return "symphony agents shows who is there; symphony doctor, why one is not"
        case "budget_exhausted":
            return "give it more: --budget-tokens N, --deadline TIME"
        case "not_certified":
            return (
                "the answer above is the best one; more --chains, or another --rule, may settle it"
            )
        case "unreachable":
            return (
                "start a peer; or, if this home is no restored backup, SYMPHONY_APPEND_UNASKED=true"
            )
        case "cancelled":
            return ""
        case _:
            return "symphony submit --watch shows where it fails"
