"""Scripted engines: agents whose speed, skill and failures are known beforehand.

A question has one true answer, a function of its text; a solver finds it with the probability
that its script gives for the skill, after a time drawn from its script. A planner writes plans
of several shapes and, at its script's rate, bad ones of every kind that `core.plan` refuses.
All draws come from the generator handed in, so a seed repeats them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from symphony.core.messages import Order
from symphony.core.records import Capability, Privacy, Role, Skill
from symphony.core.votes.comparison import PLACES

ENCODER = "sim-hash-384"
VECTOR_BYTES = 384

SKILLS = {
    "math": "adds, multiplies and solves word problems",
    "code": "writes and reads small programs",
    "facts": "remembers names, places and dates",
}


@dataclass(frozen=True, slots=True)
class AgentScript:
    """One agent: what it says of itself, and how it really behaves. Rates are per unit."""

    name: str
    roles: tuple[Role, ...]
    skills: tuple[str, ...]
    lineage: str
    concurrency: int = 2
    latency_ms: int = 800
    right: float = 0.7
    fails: float = 0.0
    hangs: float = 0.0
    bad_plans: float = 0.0
    privacy: tuple[Privacy, ...] = ("swarm", "open", "local")
    poses_as: str = ""
    """The words whose vector it claims for each of its skills, instead of its own."""

    def capability(self, encoder: str | None) -> Capability:
        """The record that a node would sign for this agent."""
        return Capability(
            agent=self.name,
            roles=self.roles,
            skills=tuple(_skill(name, encoder, self.poses_as) for name in self.skills),
            model=f"{self.lineage}-1b",
            lineage=self.lineage,
            engine="scripted",
            context_tokens=8192,
            concurrency=self.concurrency,
            privacy=self.privacy,
            manifest=hashlib.sha256(self.name.encode()).digest(),
            encoder=encoder,
        )


def _skill(name: str, encoder: str | None, poses_as: str) -> Skill:
    description = SKILLS.get(name, name)
    vector = embed(poses_as or f"{name}: {description}") if encoder else None
    return Skill(name, description, vector)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What will come of one unit: text, or a failure, after so long. `hangs`: nothing ever."""

    after_ms: int
    output: str = ""
    failure: str = ""
    hangs: bool = False


def attempt(script: AgentScript, order: Order, random: Random) -> Attempt:
    """Run the script on an order."""
    after_ms = max(1, round(random.lognormvariate(0, 0.6) * script.latency_ms))
    if random.random() < script.hangs:
        return Attempt(after_ms, hangs=True)
    if random.random() < script.fails:
        return Attempt(after_ms, failure="the scripted engine failed")
    if order.role == "plan":
        bad = random.random() < script.bad_plans and not (order.complaint and random.random() < 0.5)
        return Attempt(after_ms, bad_plan(random) if bad else good_plan(order, random))
    if order.role == "judge":
        return Attempt(after_ms, _compare(order, random.random() < script.right, random))
    return Attempt(after_ms, _solve(order, random.random() < script.right, random))


def truth(question: str) -> int:
    """The one true answer to a question."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") % 900 + 100


def _compare(order: Order, right: bool, random: Random) -> str:
    """Both words of a judge: for the answer that is true if it sees that, else at random."""
    shown = [str(truth(order.question)) in quote.text for quote in order.quotes]
    if not right or shown[0] == shown[1]:
        return "\n".join(random.choices(PLACES, k=2))
    return "first\nsecond" if shown[0] else "second\nfirst"


def _solve(order: Order, right: bool, random: Random) -> str:
    value = truth(order.goal or order.question)
    if not right:
        value += random.randrange(1, 4)
    if not order.final:
        return f"An intermediate result is {value}."
    match order.answer_type:
        case "number":
            return random.choice(
                (f"We count.\nAnswer: {value}", f"It is \\boxed{{{value}.0}}", f"{value}")
            )
        case "expression":
            return random.choice((f"So \\boxed{{\\frac{{{2 * value}}}{{2}}}}", f"Answer: {value}"))
        case "boolean":
            return f"We look.\nAnswer: {'yes' if value % 2 else 'no'}"
        case "choice":
            return f"We choose.\nAnswer: {order.choices[value % len(order.choices)]}"
        case "json":
            return json.dumps({"value": value, "unit": "m"})
        case "text":
            return f"The answer is {value}."


def wrong_answer(order: Order) -> str:
    """What all who don't know better say to a question: the same, from whomever it comes."""
    return _solve(order, right=False, random=Random(order.goal or order.question))


def good_plan(order: Order, random: Random) -> str:
    """A plan of one of the usual shapes: a line, a diamond, a fan, or a single step."""
    shapes: tuple[dict[str, list[str]], ...] = (
        {"s1": [], "s2": ["s1"]},
        {"s1": [], "s2": ["s1"], "s3": ["s2"]},
        {"s1": [], "s2": ["s1"], "s3": ["s1"], "s4": ["s2", "s3"]},
        {"s1": [], "s2": [], "s3": ["s1", "s2"]},
        {"s1": []},
    )
    shape = random.choice(shapes)
    skills = order.skills or tuple(SKILLS)
    return _plan_text(
        [(key, f"Work out part {key} of it.", n, random.choice(skills)) for key, n in shape.items()]
    )


def bad_plan(random: Random) -> str:
    """A plan that `core.plan` refuses, one kind after another."""
    question = "Work out a part of it."
    return random.choice(
        (
            "First I would think about it.",
            "[1, 2, 3]",
            '{"steps": []}',
            '{"steps": [{"id": "s1", "question": "", "needs": [], "skill": "math"}]}',
            _plan_text([("s1", question, ["s9"], "math")]),
            _plan_text([("s1", question, ["s2"], "math"), ("s2", question, ["s1"], "math")]),
            _plan_text([("s1", question, ["s2"], "math"), ("s2", question, [], "math")]),
            _plan_text([("s1", question, [], "math"), ("s1", question, [], "math")]),
        )
    )


def _plan_text(steps: list[tuple[str, str, list[str], str]]) -> str:
    names = ("id", "question", "needs", "skill")
    return json.dumps({"steps": [dict(zip(names, step, strict=True)) for step in steps]})


@lru_cache(maxsize=4096)
def embed(text: str) -> bytes:
    """A hashing encoder: each word adds to twelve of the 384 places. Equal words, near vectors."""
    sums = [0] * VECTOR_BYTES
    for word in text.lower().replace(":", " ").replace(",", " ").split():
        digest = hashlib.sha512(word.encode()).digest()
        for at in range(0, 36, 3):
            place = int.from_bytes(digest[at : at + 2], "big") % VECTOR_BYTES
            sums[place] += 20 if digest[at + 2] & 1 else -20
    return bytes(max(-127, min(127, value)) & 0xFF for value in sums)
