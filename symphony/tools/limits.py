"""Every bound of this room, with its reason."""

from __future__ import annotations

from typing import Final

CALLS: Final = 6
"""Tool calls of one output. A word problem takes three."""

CALL_CHARS: Final = 200
"""One call's text: longer expressions are a model that went round in circles."""

ANSWER_CHARS: Final = 400
"""One answer, as the model gets to read it."""

OUTPUT_BYTES: Final = 4096
"""What is read of a tool's output; more is a tool gone wrong."""

WALL_SECONDS: Final = 5.0
"""One call, the start of its process included: 40 ms on an idle machine."""
