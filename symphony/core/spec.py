"""What a user asks: a question, and the bounds within which it is to be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from symphony.core import limits
from symphony.core.records import AnswerType, Planning, Privacy, Rule, Selection


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a user wants to know, and within which bounds. `max_nodes` is how many nodes besides the
    conductor may be asked to work on it; 0 is as many as it takes. `durable`: two other nodes keep
    what it takes to go on with it, should its conductor be lost; they count as asked.

    Whoever says nothing gets these defaults, by whatever way it asks, and so do probes: this is the
    one place for them.
    """

    prompt: str
    chains: int = 3
    rule: Rule | Literal["auto"] = "auto"
    alpha_ppm: int = 0
    selection: Selection = "learned"
    planning: Planning = "auto"
    answer_type: AnswerType = "text"
    choices: tuple[str, ...] = ()
    answer_schema: str = ""
    skill: str = ""
    privacy: Privacy = "swarm"
    budget_tokens: int = limits.DEFAULT_BUDGET_TOKENS
    max_nodes: int = 0
    deadline_ms: int = limits.DEFAULT_DEADLINE_MS
    max_tokens: int = 512
    durable: bool = False
