"""How likely a model finds a text that somebody says it wrote: the evidence of an audit.

A server that gives log-probabilities of *prompts* (vLLM) is handed the conversation with the
output as its last turn, and tells for each token of it the log-probability and the rank that the
token had among all. One pass over the prompt, nothing is generated: an audit costs a fraction of
the work that it audits. Another model, or an output that was written by hand, shows in ranks far
from the first; batching and rounding move log-probabilities by little, so an audit compares
numbers within a tolerance and never demands equal texts.

Where the output begins is asked of the server's own tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass

from symphony.engines.base import Message
from symphony.engines.chat_stream import is_logprob
from symphony.engines.openai import OpenAIEngine
from symphony.errors import EngineError

# What taking an answer apart raises where a part is missing, of another kind, or infinite.
_MISSING = (LookupError, TypeError, ValueError, AttributeError, StopIteration, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Scored:
    """One output, token by token. Rank 1 is the token that the model found most likely."""

    logprobs: tuple[float, ...]
    ranks: tuple[int, ...]

    @property
    def mean_logprob(self) -> float:
        return sum(self.logprobs) / len(self.logprobs)

    @property
    def first_ppm(self) -> int:
        """The share of tokens that were the model's first choice, in parts per million."""
        return sum(rank == 1 for rank in self.ranks) * 1_000_000 // len(self.ranks)


async def score(
    engine: OpenAIEngine,
    messages: tuple[Message, ...],
    output: str,
    *,
    model: str | None = None,
) -> Scored:
    """Score `output` as the answer to `messages`, by `model` where that is another one of the same
    server. Raises `EngineError` where the server gives no log-probabilities of prompts.
    """
    asked = [{"role": message.role, "content": message.content} for message in messages]
    named = {} if model is None else {"model": model}
    question = {"messages": asked, "add_generation_prompt": True, **named}
    before = await engine.post("/tokenize", question)
    answer = {"role": "assistant", "content": output}
    found = await engine.post(
        "/v1/chat/completions",
        {
            "messages": [*asked, answer],
            "add_generation_prompt": False,
            "continue_final_message": True,
            "prompt_logprobs": 0,
            "max_tokens": 1,
            "temperature": 0,
            **named,
        },
    )
    try:
        begins = int(before["count"])
        rows = found["prompt_logprobs"][begins:] if begins >= 0 else []
        tokens = [next(iter(row.values())) for row in rows]
        logprobs = tuple(token["logprob"] for token in tokens)
        ranks = tuple(int(token["rank"]) for token in tokens)
    except _MISSING as error:
        raise EngineError(
            "this server gives no log-probabilities of prompts", hint="audits need vLLM"
        ) from error
    if not logprobs:
        raise EngineError("there is nothing to audit in this output")
    if not all(map(is_logprob, logprobs)):
        raise EngineError("the model server's answer makes no sense: no log-probability is that")
    return Scored(tuple(map(float, logprobs)), ranks)
