"""What of a failure leaves this node: its code, and one fixed sentence about it.

The reason of a failed result is signed and gossiped, and kept by everybody for as long as the
ledger is. What an error says in detail is not for that: it names servers by address, and may repeat
a server's own words, which may repeat the prompt, or a piece of an output. So the detail goes to
this node's log (`work_failed`) and no further.
"""

from __future__ import annotations

from typing import Final

from symphony.errors import (
    ConstraintViolated,
    EngineError,
    EngineOverloaded,
    EngineUnavailable,
    ModelError,
    SymphonyError,
    UsageError,
)

_SENTENCES: Final = {
    EngineError.code: "the model server failed, answered nonsense, or took too long",
    EngineUnavailable.code: "the model server can't be reached, or broke off",
    EngineOverloaded.code: "the model server is full",
    ConstraintViolated.code: "the model's output is not what was asked for",
    ModelError.code: "the model can't be used there",
    UsageError.code: "the order can't be carried out there",
}
_OTHERWISE: Final = "the work could not be done"
_NEXT: Final = "the owner's log says more"


def told_reason(error: Exception) -> str:
    """The reason of a failed result."""
    if not isinstance(error, SymphonyError):
        return f"internal: a {type(error).__name__}; {_NEXT}"
    return f"{error.code}: {_SENTENCES.get(error.code, _OTHERWISE)}; {_NEXT}"
