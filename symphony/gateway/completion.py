"""The shapes of OpenAI's answers: one completion, or its chunks. Pure values to JSON."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from symphony.gateway.sse import encode_json

_AFTER = '},"finish_reason":null,"logprobs":null}]}'


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer."""

    prompt: int
    completion: int

    def as_json(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        }


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer under way: what all of its pieces have in common."""

    model: str
    id: str = field(default_factory=lambda: "chatcmpl-" + secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))
    _before: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        before, _, after = encode_json(self.chunk({"content": ""})).rpartition('""')
        assert after == _AFTER, "the text is the last that is empty"
        object.__setattr__(self, "_before", before)

    def whole(self, text: str, reason: str, usage: Usage, **extra: Any) -> dict[str, Any]:
        """The answer in one piece."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage.as_json()} | (
            extra
        )

    def chunk(self, delta: dict[str, str], reason: str | None = None, **extra: Any) -> Any:
        """A piece of a streamed answer. Every one has a choice: clients read `choices[0]`."""
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **extra}

    def text_chunk(self, text: str) -> str:
        """`chunk` with a piece of text, as JSON at once: per token only the text is new."""
        return f"{self._before}{encode_json(text)}{_AFTER}"

    def usage_chunk(self, usage: Usage) -> dict[str, Any]:
        """The last chunk where `include_usage` asks for it; by OpenAI's rule without a choice."""
        head = self._head("chat.completion.chunk")
        return {**head, "choices": [], "usage": usage.as_json()}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


OPENING = {"role": "assistant", "content": ""}
DONE = "[DONE]"
