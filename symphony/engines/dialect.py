"""How each kind of server wants to be asked for constrained output.

All speak the OpenAI protocol; they differ in the fields that carry a constraint. A dialect is
the table of those fields, and a constraint outside the table is refused before it is sent:
a server that ignores an unknown field would otherwise answer as if nothing had been asked.

Sources: llama.cpp's server takes `response_format` and a top-level `grammar` (and ignores
vLLM's fields); vLLM takes `structured_outputs` (and ignores `grammar`); both were tried. What
another server honours is measured by `symphony.engines.probe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

from symphony.engines.base import (
    Choice,
    Constraint,
    Feature,
    Grammar,
    JsonSchema,
    NoConstraint,
    Regex,
)
from symphony.engines.constraints import feature_of
from symphony.engines.gbnf import literal
from symphony.errors import EngineError


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server honours, and how to say it.

    `llama_grammar`: constraints travel in a top-level `grammar`, in GBNF.
    `vllm_fields`: constraints travel in `structured_outputs`.
    """

    features: frozenset[Feature]
    llama_grammar: bool = False
    vllm_fields: bool = False

    def fields(self, constraint: Constraint) -> dict[str, Any]:
        """Body fields for `constraint`. Raises `EngineError` when the server can't honour it."""
        needed = feature_of(constraint)
        if needed is not None and needed not in self.features:
            raise EngineError(
                f"this engine does not honour a {needed} constraint",
                hint="use llama.cpp or vLLM, or ask for a JSON schema",
            )
        match constraint:
            case NoConstraint():
                return {}
            case JsonSchema(schema):
                named = {"name": "answer", "schema": dict(schema), "strict": True}
                return {"response_format": {"type": "json_schema", "json_schema": named}}
            case Choice(options) if self.llama_grammar:
                return {"grammar": "root ::= " + " | ".join(literal(one) for one in options)}
            case Choice(options):
                return {"structured_outputs": {"choice": list(options)}}
            case Regex(pattern):
                return {"structured_outputs": {"regex": pattern}}
            case Grammar(gbnf) if self.llama_grammar:
                return {"grammar": gbnf}
            case Grammar(gbnf):
                return {"structured_outputs": {"grammar": gbnf}}
            case _:
                assert_never(constraint)


LLAMACPP = Dialect(
    frozenset({Feature.JSON_SCHEMA, Feature.CHOICE, Feature.GRAMMAR, Feature.LOGPROBS}),
    llama_grammar=True,
)

VLLM = Dialect(frozenset(Feature), vllm_fields=True)

PLAIN = Dialect(frozenset())
