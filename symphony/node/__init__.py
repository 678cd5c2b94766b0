"""A running node: the edge around the core, and the one place where all rooms meet.

Read `opening` (the order of things), then `loop` (the dozen lines that matter), `air` (bytes to
messages), `workshop` (work to engines) and `desk` (the node as its gateway sees it).
"""

from symphony.node.opening import Ready as Ready
from symphony.node.opening import run_node as run_node
