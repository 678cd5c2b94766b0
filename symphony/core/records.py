"""What the ledger keeps: the bodies of Symphony's entry kinds.

Prompts and outputs never appear here, only salted digests of them; the requirement of a unit
does (it is what a beacon says aloud anyway). Every score, weight and share is an integer in
parts per million, so that anyone recomputes the very same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len

from symphony.core import limits
from symphony.core.wire import Codec, Count, Digest, Id16, Key, Line, Millis, Name, Ppm

MAX_BODY_BYTES = 16 * 1024  # the ledger's own bound on a body

Role = Literal["plan", "solve", "judge"]
Privacy = Literal["local", "swarm", "open"]
Rule = Literal["match", "majority", "reliability", "confidence", "ranked"]
Settled = Literal["open", "exact", "certified", "tied", "enough"]
Selection = Literal["match", "random", "learned"]
Lapse = Literal["failed", "late", "refused", "gone", "junk", "bad_plan", "slow", "unused", "lost"]
"""How an epoch of a unit ended without a result that counts: its owner's engine failed, it was
silent for a lease, it refused, its connection or log broke, it sent nothing usable, its plan was
bad, another was faster; or the award was never used.
"""
Planning = Literal["auto", "always", "never"]
AnswerType = Literal["text", "number", "boolean", "choice", "json", "expression"]
Outcome = Literal["answered", "not_certified", "failed", "expired", "cancelled"]

Vector = Annotated[bytes, Len(384, 384)]
"""An int8-quantised embedding: 384 signed bytes. Cosine similarity is free of its scale."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing an agent says it can do. `vector` embeds `name: description`."""

    name: Name
    description: Line
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a node measured of the engine behind an agent, on which day since 1970. Its own word:
    nothing is elected by it.
    """

    day: Count
    first_token_ms: Count
    one_milli_tokens_per_s: Count
    many_milli_tokens_per_s: Count
    many: Count
    features: Annotated[tuple[Name, ...], Len(0, 16)] = ()


@dataclass(frozen=True, slots=True)
class Capability:
    """An agent of the author's node, valid until the entry expires or a newer one replaces it.

    `box` is the node's X25519 key: what is sealed to it, only the node can read. `self_test` is
    there once its engine was measured.
    """

    agent: Name
    roles: Annotated[tuple[Role, ...], Len(1, 3)]
    skills: Annotated[tuple[Skill, ...], Len(1, limits.MAX_SKILLS_PER_AGENT)]
    model: Name
    lineage: Name
    engine: Name
    context_tokens: Count
    concurrency: Annotated[int, Interval(ge=1, le=limits.MAX_CONCURRENCY)]
    privacy: Annotated[tuple[Privacy, ...], Len(1, 3)]
    manifest: Digest
    encoder: Name | None = None
    withdrawn: bool = False
    operator: Name | None = None
    box: Key | None = None
    self_test: SelfTest | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a unit needs from its owner. This, and never the prompt, is what a beacon carries."""

    role: Role
    skill: Annotated[str, Len(1, limits.MAX_SKILL_CHARS)]
    privacy: Privacy
    context_tokens: Count
    vector: Vector | None = None
    encoder: Name | None = None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What was asked for: everything but the prompt itself. `stewards` may go on with it, in this
    order, should the author be lost.
    """

    task: Id16
    prompt: Digest
    chains: Annotated[int, Interval(ge=1, le=limits.MAX_CHAINS)]
    rule: Rule
    selection: Selection
    planning: Planning
    answer_type: AnswerType
    privacy: Privacy
    budget_tokens: Count
    deadline_ms: Annotated[int, Interval(ge=1, le=limits.MAX_DEADLINE_MS)]
    choices: Annotated[tuple[Line, ...], Len(0, 64)] = ()
    alpha: Annotated[int, Interval(ge=0, le=limits.MAX_ALPHA_PPM)] = 0
    """The level at which the answer is to be certified; 0 for the exact stop only."""
    stewards: Annotated[tuple[Key, ...], Len(0, limits.STEWARDS)] = ()
    max_tokens: Annotated[int, Interval(ge=1, le=limits.MAX_TOKENS)] = 512
    schema: Digest | None = None  # of the answer's JSON Schema, salted; None without one
    skill: Annotated[str, Len(1, limits.MAX_SKILL_CHARS)] | None = None
    """What direct steps are called for with; None for what any question needs."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One bid as the conductor saw it, with the score it gave.

    `seen`: the evidence that a `learned` score stands on, as milli-counts of right, wrong, kept
    and missed (`expectation`); absent if there is none.
    """

    owner: Key
    agent: Name
    capability: Digest
    score: Ppm
    free: Count
    seen: Annotated[tuple[Count, ...], Len(4, 4)] | None = None


@dataclass(frozen=True, slots=True)
class Award:
    """One unit goes to one owner. `epoch` fences off every earlier award of the unit; `lapse` says
    how the epoch before it ended, if there was one and that is known.
    """

    unit: Id16
    name: Name
    epoch: Annotated[int, Interval(ge=1, le=2**31)]
    owner: Key
    agent: Name
    capability: Digest
    score: Ppm
    lease_ms: Millis
    requirement: Requirement
    candidates: Annotated[tuple[Candidate, ...], Len(1, limits.MAX_BIDS_PER_UNIT)]
    avoided: Annotated[tuple[Key, ...], Len(0, 64)] = ()
    lapse: Lapse | None = None


@dataclass(frozen=True, slots=True)
class AwardRecord:
    """The awards that were made together, in the order in which they were made."""

    task: Id16
    awards: Annotated[tuple[Award, ...], Len(1, limits.MAX_AWARDS_PER_ENTRY)]


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """An owner's statement about one unit: what went in, what came out, and how it was made."""

    task: Id16
    unit: Id16
    epoch: Annotated[int, Interval(ge=1, le=2**31)]
    award: Digest
    agent: Name
    status: Literal["ok", "failed"]
    input: Digest
    output: Digest
    model: Name
    engine: Name
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)]
    prompt_tokens: Count
    completion_tokens: Count
    elapsed_ms: Millis
    reason: Line | None = None
    logprob_milli: Annotated[int, Interval(ge=-1_000_000, le=0)] | None = None
    cut: bool = False  # the output ran into its limit; only a marked answer in it counts


@dataclass(frozen=True, slots=True)
class Ballot:
    """One chain's answer in a verdict: the result entry it stands on, the agent that gave it and
    the skill that it was asked for, its class and its weight.
    """

    chain: Count
    result: Digest
    owner: Key
    agent: Name
    skill: Name
    answer: Digest
    weight: Ppm


@dataclass(frozen=True, slots=True)
class Awaited:
    """A chain that was still out when the vote was over: the award of its last step."""

    chain: Count
    unit: Id16
    epoch: Annotated[int, Interval(ge=1, le=2**31)]


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """How a task ended. `winner` is the salted digest of the winning class, if there is one.

    `version` is that of the arithmetic of weights, `evidence` the entries that they came from.
    `outstanding` chains had neither voted nor failed; the first `drawn` ones had ended, and
    `e_milli` is the e-value that certifies (`weighing.stopping`).
    `blank` are the chains whose last output held no answer.
    """

    task: Id16
    outcome: Outcome
    rule: Rule
    version: Count
    ballots: Annotated[tuple[Ballot, ...], Len(0, limits.MAX_CHAINS)]
    settled: Settled
    outstanding: Count
    drawn: Count
    stop: Line
    tokens: Count
    failovers: Count
    e_milli: Count = 0
    awaited: Annotated[tuple[Awaited, ...], Len(0, limits.MAX_CHAINS)] = ()
    evidence: Annotated[tuple[Digest, ...], Len(0, limits.MAX_CITED)] = ()
    winner: Digest | None = None
    blank: Annotated[tuple[Count, ...], Len(0, limits.MAX_CHAINS)] = ()


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """An agent answered a question with a known answer: the result entry, and whether it was so."""

    node: Key
    agent: Name
    skill: Name
    result: Digest
    right: bool


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """What the author found out by probing, a batch at a time."""

    outcomes: Annotated[tuple[ProbeOutcome, ...], Len(1, limits.MAX_OUTCOMES_PER_ENTRY)]


CAPABILITY: Codec[Capability] = Codec(
    Capability, max_bytes=MAX_BODY_BYTES, kept=limits.MAX_READ_CAPABILITIES
)
TASK: Codec[TaskRecord] = Codec(TaskRecord, max_bytes=MAX_BODY_BYTES)
AWARD: Codec[AwardRecord] = Codec(AwardRecord, max_bytes=MAX_BODY_BYTES, kept=limits.MAX_READ)
RESULT: Codec[ResultRecord] = Codec(ResultRecord, max_bytes=MAX_BODY_BYTES, kept=limits.MAX_READ)
VERDICT: Codec[VerdictRecord] = Codec(VerdictRecord, max_bytes=MAX_BODY_BYTES)
PROBE: Codec[ProbeRecord] = Codec(ProbeRecord, max_bytes=MAX_BODY_BYTES)
