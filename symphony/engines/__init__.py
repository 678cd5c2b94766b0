"""The room that speaks to models; see `symphony.engines.base` for its protocol.

Public here is what the composition root needs: the protocol's values, `open_engine`, and the
models. Everything else is reached by its module. The names load when they are first used: who
only names a feature of an engine waits for none of them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symphony.engines.base import Choice as Choice
    from symphony.engines.base import Chunk as Chunk
    from symphony.engines.base import Constraint as Constraint
    from symphony.engines.base import Description as Description
    from symphony.engines.base import Engine as Engine
    from symphony.engines.base import Event as Event
    from symphony.engines.base import Feature as Feature
    from symphony.engines.base import Finished as Finished
    from symphony.engines.base import Grammar as Grammar
    from symphony.engines.base import Health as Health
    from symphony.engines.base import JsonSchema as JsonSchema
    from symphony.engines.base import Message as Message
    from symphony.engines.base import NoConstraint as NoConstraint
    from symphony.engines.base import Regex as Regex
    from symphony.engines.base import Request as Request
    from symphony.engines.registry import EngineChoice as EngineChoice
    from symphony.engines.registry import EngineSpec as EngineSpec
    from symphony.engines.registry import explain_choice as explain_choice
    from symphony.engines.registry import open_engine as open_engine
else:
    from symphony.late import late

    _BASE = (
        "Choice", "Chunk", "Constraint", "Description", "Engine", "Event", "Feature", "Finished",
        "Grammar", "Health", "JsonSchema", "Message", "NoConstraint", "Regex", "Request",
    )  # fmt: skip
    _REGISTRY = ("EngineChoice", "EngineSpec", "explain_choice", "open_engine")
    _HOMES = dict.fromkeys(_BASE, "symphony.engines.base")
    _HOMES |= dict.fromkeys(_REGISTRY, "symphony.engines.registry")
    __all__ = tuple(_HOMES)
    __getattr__, __dir__ = late(__name__, _HOMES)
