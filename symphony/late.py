"""Public names of a package that load when they are first used.

A package's `__init__` runs whenever any of its modules is imported. Were it to import what it
names, whoever wants one value of it would wait for all the rest: a test server for the whole
simulator, a manifest for every engine. So such a package says where its names live, and each is
looked up once (PEP 562). Type checkers and the import contracts read the same names under
`TYPE_CHECKING`; a test compares the two.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def late(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for `package`, whose public names live in these modules."""

    def find(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(home), name)
        setattr(sys.modules[package], name, value)  # asked once; now an ordinary attribute
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
