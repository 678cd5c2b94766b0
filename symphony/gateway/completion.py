"""The shapes of OpenAI's answers: one completion, or its chunks. Pure values to JSON."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any


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

    def usage_chunk(self, usage: Usage) -> dict[str, Any]:
        """The last chunk where `include_usage` asks for it; by OpenAI's rule without a choice."""
        head = self._head("chat.completion.chunk")
        return {**head, "choices": [], "usage": usage.as_json()}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


OPENING = {"role": "assistant", "content": ""}
DONE = "[DONE]"
