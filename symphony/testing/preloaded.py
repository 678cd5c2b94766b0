"""What a template of nodes imports before its first fork; see `symphony.testing.template`.

Importing it loads everything that a node is made of. A module of its own, because the fork
server imports modules by name, and whoever wants to start nodes need not be one.
"""

from symphony.testing.template import preload

preload()
