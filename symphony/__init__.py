"""Symphony: many small models on machines you own or borrow, one answer, with a receipt.

    from symphony import Symphony

    with Symphony() as swarm:
        print(swarm.tasks.run("How many …?", chains=3, answer_type="number").text)

Public names load when they are first used: importing this package costs nothing, so the command
line and scripts that only need an error class stay instant.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # type checkers take this name for true; `typing` alone costs 10 ms and more
if TYPE_CHECKING:
    from symphony.client import Answer as Answer
    from symphony.client import AsyncSymphony as AsyncSymphony
    from symphony.client import AsyncTask as AsyncTask
    from symphony.client import Ballot as Ballot
    from symphony.client import ReceiptRef as ReceiptRef
    from symphony.client import Symphony as Symphony
    from symphony.client import Task as Task
    from symphony.client import TaskEvent as TaskEvent
    from symphony.client import TaskOptions as TaskOptions
    from symphony.errors import AdmissionDenied as AdmissionDenied
    from symphony.errors import AuthError as AuthError
    from symphony.errors import BudgetExhausted as BudgetExhausted
    from symphony.errors import ConfigError as ConfigError
    from symphony.errors import ConnectionError as ConnectionError  # noqa: A004
    from symphony.errors import ConstraintViolated as ConstraintViolated
    from symphony.errors import EngineError as EngineError
    from symphony.errors import EngineOverloaded as EngineOverloaded
    from symphony.errors import EngineUnavailable as EngineUnavailable
    from symphony.errors import ExtraMissing as ExtraMissing
    from symphony.errors import LedgerInvalid as LedgerInvalid
    from symphony.errors import ManifestError as ManifestError
    from symphony.errors import ModelError as ModelError
    from symphony.errors import NoBids as NoBids
    from symphony.errors import NotCertified as NotCertified
    from symphony.errors import ProtocolMismatch as ProtocolMismatch
    from symphony.errors import ReceiptInvalid as ReceiptInvalid
    from symphony.errors import SymphonyError as SymphonyError
    from symphony.errors import TaskCancelled as TaskCancelled
    from symphony.errors import TaskError as TaskError
    from symphony.errors import UsageError as UsageError

_CLIENT = (
    "Answer",
    "AsyncSymphony",
    "AsyncTask",
    "Ballot",
    "ReceiptRef",
    "Symphony",
    "Task",
    "TaskEvent",
    "TaskOptions",
)
_ERRORS = (
    "AdmissionDenied",
    "AuthError",
    "BudgetExhausted",
    "ConfigError",
    "ConnectionError",
    "ConstraintViolated",
    "EngineError",
    "EngineOverloaded",
    "EngineUnavailable",
    "ExtraMissing",
    "LedgerInvalid",
    "ManifestError",
    "ModelError",
    "NoBids",
    "NotCertified",
    "ProtocolMismatch",
    "ReceiptInvalid",
    "SymphonyError",
    "TaskCancelled",
    "TaskError",
    "UsageError",
)
_HOMES = dict.fromkeys(_CLIENT, "symphony.client") | dict.fromkeys(_ERRORS, "symphony.errors")


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value  # asked once; from now on an ordinary attribute
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
