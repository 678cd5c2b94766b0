"""The answer of one chat request, from the server's events to ours.

Everything in it comes from a process we don't trust to be right: each field is looked at before
it is used, and what can't be understood is an `EngineError`, never a guess. The one guess that
is made, token counts of a server that gives none, is marked (`Finished.usage_estimated`).

The rule kept: `Finished` comes once, last, and only after a finish reason was received and the
whole output was checked against the request's constraint.
"""

from __future__ import annotations

import json
from typing import Any, TypeGuard

import httpx2

from symphony.core.owner.fitting import as_text
from symphony.engines import limits
from symphony.engines.base import Chunk, Event, Finished, FinishReason, Request
from symphony.engines.constraints import check_output
from symphony.engines.doors import Answer
from symphony.engines.refusals import error_words
from symphony.engines.slots import within
from symphony.engines.sse import EventReader
from symphony.errors import EngineError, EngineUnavailable

_BROKE_HINT = "its output is incomplete and was dropped; ask again"


class ChatStream:
    """An async iterator of `Chunk`s and one `Finished`. Not an async generator on purpose: it
    holds no scope open while the caller works, and needs no closing of its own.
    """

    def __init__(
        self,
        answer: Answer,
        request: Request,
        deadline: float,
        *,
        kind: str,
        model: str,
    ) -> None:
        self._answer = answer
        self._reader = EventReader(aiter(answer))
        self._request = request
        self._deadline = deadline
        self._kind = kind
        self._model = model
        self._texts: list[str] = []
        self._logprob_sum = 0.0
        self._logprob_count = 0
        self._reason: str | None = None
        self._usage: tuple[int, int] | None = None
        self._heard_all = False
        self._ended = False
        self.complete = False
        """Whether all of the answer arrived, up to the server's own mark of its end."""

    def __aiter__(self) -> ChatStream:
        return self

    async def __anext__(self) -> Event:
        if self._ended:
            raise StopAsyncIteration
        try:
            with within(self._deadline):
                event = await self._next_event()
        except httpx2.HTTPError as error:
            self._ended = True
            raise EngineUnavailable(
                f"the model server broke off in mid-answer: {type(error).__name__}",
                hint=_BROKE_HINT,
            ) from error
        except BaseException:
            self._ended = True
            raise
        self._ended = isinstance(event, Finished)
        return event

    async def _next_event(self) -> Event:
        """The text that is here, however many pieces it came in; or the end. Pieces that carry
        log-probabilities stay apart, as each is the evidence for one token.
        """
        said: list[str] = []
        while not self._heard_all:
            data = self._reader.data_here() if said else await self._reader.next_data()
            if data is None and said:
                break
            if data is None or data == "[DONE]":
                self._heard_all = True
                self.complete = data is not None
                break
            chunk = self._take(_parse(data))
            if chunk is not None and self._request.logprobs:
                return chunk
            said += [chunk.text] if chunk is not None else []
        return Chunk("".join(said)) if said else self._finish()

    def _take(self, event: dict[str, Any]) -> Chunk | None:
        """Fold one event in; the chunk it holds, if it holds one."""
        if isinstance(event.get("model"), str) and event["model"]:
            self._model = event["model"][: limits.MODEL_NAME_CHARS]
        self._usage = _usage(event) or self._usage
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices:
            return None
        choice = choices[0]
        if not isinstance(choice, dict):
            raise _nonsense("a choice is not an object")
        if choice.get("finish_reason") is not None:
            self._reason = str(choice["finish_reason"])
            self._answer.hurry()
        delta = choice.get("delta")
        text = delta.get("content") if isinstance(delta, dict) else None
        if not isinstance(text, str) or not text:
            return None
        text = as_text(text)  # it is sent on, to clients and in the next round's prompt
        self._texts.append(text)
        return Chunk(text, self._logprob(choice))

    def _logprob(self, choice: dict[str, Any]) -> float | None:
        """The sum over the chunk's tokens, None where one is missing or no number."""
        if not self._request.logprobs or not isinstance(choice.get("logprobs"), dict):
            return None
        tokens = choice["logprobs"].get("content")
        if not isinstance(tokens, list) or not tokens:
            return None
        values = [token.get("logprob") if isinstance(token, dict) else None for token in tokens]
        total = 0.0
        for value in values:
            if not is_logprob(value):
                return None
            total += value
        self._logprob_sum += total
        self._logprob_count += len(values)
        return total

    def _finish(self) -> Finished:
        reason: FinishReason
        match self._reason:
            case "stop":
                reason = "stop"
            case "length":
                reason = "length"
            case None:
                raise EngineUnavailable(
                    "the model server ended its answer without a finish reason", hint=_BROKE_HINT
                )
            case other:
                raise EngineError(f"the model server ended its answer with {other[:40]!r}")
        check_output(self._request.constraint, "".join(self._texts))
        estimated = (
            sum(len(message.content) for message in self._request.messages) // 4 + 1,
            len(self._texts),
        )
        prompt_tokens, completion_tokens = self._usage or estimated
        mean = self._logprob_sum / self._logprob_count if self._logprob_count else None
        return Finished(
            reason=reason,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            mean_logprob=mean,
            model=self._model,
            engine=self._kind,
            usage_estimated=self._usage is None,
        )


def _parse(data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _nonsense("an event is not JSON") from error
    if not isinstance(event, dict):
        raise _nonsense("an event is not an object")
    if event.get("error") or ("choices" not in event and "message" in event):
        raise EngineError(f"the model server failed in mid-answer: {error_words(data.encode())}")
    return event


def _usage(event: dict[str, Any]) -> tuple[int, int] | None:
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (prompt, completion) if _is_count(prompt) and _is_count(completion) else None


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= limits.TOKENS_MOST


def is_logprob(value: object) -> TypeGuard[float]:
    """Whether it is a number that a log-probability can be; one of 400 digits is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -limits.LOGPROB_MOST <= value <= limits.LOGPROB_MOST


def _nonsense(what: str) -> EngineError:
    return EngineError(
        f"the model server's answer makes no sense: {what}",
        hint="is this an OpenAI-style server?",
    )
