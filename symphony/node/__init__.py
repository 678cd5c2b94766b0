"""A running node: the edge around the core, and the one place where all rooms meet.

Read `running`, `starting` and `opening` (the order of things), then `loop` (the dozen lines that
matter), `air` (bytes to messages), `workshop` (work to engines) and `desk` (the node as its gateway
sees it).

The public names load when they are first used: parts of the edge (`unkept`, `restoring`) also
serve the simulator, which has no network to load.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symphony.node.opening import Ready as Ready
    from symphony.node.running import run_node as run_node
else:
    from symphony.late import late

    _HOMES = {"Ready": "symphony.node.opening", "run_node": "symphony.node.running"}
    __all__ = tuple(_HOMES)
    __getattr__, __dir__ = late(__name__, _HOMES)
