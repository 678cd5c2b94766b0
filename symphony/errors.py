"""Every error a user of Symphony can meet, in one tree.

Each class says whose fault it is and carries a `hint`: the next step that a person can take.
The command line maps each to a documented exit code; the SDK raises the same classes for
answers that come over HTTP (`code` is the word on the wire).

    SymphonyError                       exit 1
    ├── UsageError                      2    the caller: a flag, an argument or a setting is wrong
    │   ├── ManifestError               2    an agent manifest does not validate
    │   ├── ConfigError                 2    the configuration or a key file does not validate
    │   └── ExtraMissing                2    an optional package is not installed
    ├── ConnectionError                 3    nobody reachable: no local node, no peer
    │   └── ProtocolMismatch            3    the other side speaks another version or swarm
    ├── AuthError                       4    the gateway's key is missing or wrong
    ├── AdmissionDenied                 4    the swarm does not let this node in
    ├── TaskError                       1    a task ended without a voted answer
    │   ├── NoBids                      5    nobody who fits offered to work before the deadline
    │   ├── BudgetExhausted             5    tokens, calls or time are spent
    │   ├── NotCertified                6    a best answer exists but not at the level asked for
    │   └── TaskCancelled               130  somebody cancelled it
    ├── ReceiptInvalid                  7    a receipt does not hold
    ├── LedgerInvalid                   7    the local ledger's rows do not hold
    ├── EngineError                     1    a model server failed, or answered nonsense
    │   ├── EngineUnavailable           1    it cannot be reached or started
    │   ├── EngineOverloaded            1    its queue is full; come back later
    │   └── ConstraintViolated          1    the output does not satisfy what was asked of it
    └── ModelError                      1    a model is unknown, missing, or its hash is wrong

Error names follow the public documentation of the SDK; `ConnectionError` shadows the built-in
on purpose, as the `requests` and `httpx` families do, and derives from it as well.
"""

from __future__ import annotations

import builtins
from typing import ClassVar


class SymphonyError(Exception):
    """Root of the tree. `message` says what happened, `hint` what to do next."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(SymphonyError):
    """The caller's fault: a flag, an argument or a setting is wrong."""

    exit_code = 2
    code = "usage"


class ManifestError(UsageError):
    """An agent manifest does not validate; the message names file, line and field."""

    code = "manifest_invalid"


class ConfigError(UsageError):
    """The configuration, the data directory or a key file does not validate."""

    code = "config_invalid"


class ExtraMissing(UsageError):
    """What was asked for needs an optional package that is not installed."""

    code = "extra_missing"


class ConnectionError(SymphonyError, builtins.ConnectionError):  # noqa: A001
    """Nobody reachable: the local node is not running, or no peer answers."""

    exit_code = 3
    code = "unreachable"


class ProtocolMismatch(ConnectionError):
    """The other side speaks another protocol version, or belongs to another swarm."""

    code = "protocol_mismatch"


class AuthError(SymphonyError):
    """The gateway's key is missing or wrong."""

    exit_code = 4
    code = "unauthorized"


class AdmissionDenied(SymphonyError):
    """The swarm does not let this node in: no invite, an expired one, or a revoked one."""

    exit_code = 4
    code = "admission_denied"


class TaskError(SymphonyError):
    """A task ended without a voted answer."""

    code = "task_failed"


class NoBids(TaskError):
    """Nobody who fits offered to work on a unit before the deadline."""

    exit_code = 5
    code = "no_bids"


class BudgetExhausted(TaskError):
    """The tokens, the calls or the time given to a task are spent."""

    exit_code = 5
    code = "budget_exhausted"


class NotCertified(TaskError):
    """There is a best answer so far, but not at the level that was asked for."""

    exit_code = 6
    code = "not_certified"


class TaskCancelled(TaskError):
    """The client, or its disappearance, cancelled the task."""

    exit_code = 130
    code = "cancelled"


class ReceiptInvalid(SymphonyError):
    """A receipt does not hold; the message names the first thing that does not."""

    exit_code = 7
    code = "receipt_invalid"


class LedgerInvalid(SymphonyError):
    """A row of the local ledger does not hold; the message names author and sequence number."""

    exit_code = 7
    code = "ledger_invalid"


class EngineError(SymphonyError):
    """A model server failed, or answered nonsense."""

    code = "engine_failed"


class EngineUnavailable(EngineError):
    """The model server cannot be reached or started."""

    code = "engine_unavailable"


class EngineOverloaded(EngineError):
    """The engine's queue is full; `retry_after_ms` says when to come back."""

    code = "engine_overloaded"

    def __init__(self, message: str, *, hint: str = "", retry_after_ms: int = 1000) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_ms = retry_after_ms


class ConstraintViolated(EngineError):
    """The model's output does not satisfy the schema, choice, pattern or grammar asked for."""

    code = "constraint_violated"


class ModelError(SymphonyError):
    """A model is unknown, is not here, or does not have the hash that the catalogue promises."""

    code = "model_error"
