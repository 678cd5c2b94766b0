"""How a vote stands, in words: its conductor says so, and the reader of a receipt once more."""

from __future__ import annotations

from symphony.core.votes.settling import Ballots, Settlement
from symphony.core.votes.vote import count_level


def in_words(vote: Settlement, known: Ballots, alpha_ppm: int) -> str:
    """Why a vote is over, or how far it has come."""
    count, out = known.chains, known.outstanding
    voted = f"{len(vote.votes)} of {count} chains voted"
    match vote.state:
        case "exact" if out:
            more = "1 more ballot" if out == 1 else f"{out} more ballots"
            return f"exact: {more} can't change the winner"
        case "exact":
            return f"exact: {voted}" if alpha_ppm else voted
        case "certified":
            level = f"certified at {alpha_ppm / 10_000:g} %"
            return f"{level}: the most frequent answer of {count} such chains, after {known.drawn}"
        case "tied":
            return f"{voted}, and {count_level(vote.classes)} answers are level"
        case "enough":
            most = f"{len(vote.classes[0].votes)} of {len(vote.votes)} chains"
            rest = f"the other {out} would change little"
            return f"divided: {most} for the best answer so far, and {rest}"
        case "open" if not vote.votes and not out:
            return "no chain ended in an answer"
        case "open":
            return f"open: {voted}, and {out} were out"
