"""Bounds of an evaluation, each with its reason."""

from __future__ import annotations

MAX_AGENTS = 256  # of one benchmark: more recorded systems than any public set has
MAX_QUESTIONS = 1_000  # of one benchmark: a CI of ±2 points; the first of a hash order
MAX_ASKED = 200  # questions put to live models: hours on a laptop
POOLS = 8  # drawn of each kind: their mean moves by less than the CI of the questions
MIXED_POOLS = 20  # these differ most: one deal of all agents makes three to six of them
POOL_AGENTS = 9  # as many as MAX_CHAINS leaves room for after a plan, and as the target names
WEAK_AGENTS = 4  # beside one strong agent
RESAMPLES = 1_000  # of the bootstrap: the ends of a 95 % CI to about a tenth of its width
FEW_PROBES = 10  # what a new swarm has after its first probes
