"""The public names of `symphony`, and the price of importing it."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from types import ModuleType

import pytest

import symphony
from symphony import engines, errors, net, node, testing

CLIENT = {
    "Answer", "AsyncSymphony", "AsyncTask", "Ballot", "ReceiptRef", "Symphony", "Task",
    "TaskEvent", "TaskOptions",
}  # fmt: skip
ERRORS = {
    name for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.SymphonyError)
}  # fmt: skip


def test_the_public_names():
    assert set(symphony._HOMES) == CLIENT | ERRORS
    for name in CLIENT | ERRORS:
        assert getattr(symphony, name) is not None
        assert name in dir(symphony)
    with pytest.raises(AttributeError, match="no attribute 'Symphonie'"):
        symphony.Symphonie  # noqa: B018
    assert symphony.NoBids is errors.NoBids


def test_type_checkers_see_the_same_names():
    source = inspect.getsource(symphony)
    for name in CLIENT | ERRORS:
        assert f" import {name} as {name}" in source


@pytest.mark.parametrize("package", [engines, net, node, testing])
def test_late_names_are_those_that_type_checkers_see(package: ModuleType):
    source = inspect.getsource(package).partition("if TYPE_CHECKING:")[2].partition("else:")[0]
    seen = {
        alias.name: line.module
        for line in ast.parse(inspect.cleandoc(source)).body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
        if alias.asname == alias.name
    }
    assert seen == package._HOMES
    for name in seen:
        assert getattr(package, name) is not None
        assert name in dir(package)
    with pytest.raises(AttributeError, match="no attribute 'Symphonie'"):
        package.Symphonie  # noqa: B018


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_importing_symphony_loads_nothing_heavy():
    loaded = json.loads(python(
        "import sys; bare = set(sys.modules); import symphony, json;"
        "print(json.dumps(sorted({m.partition('.')[0] for m in set(sys.modules) - bare})))"
    ))  # fmt: skip
    for heavy in (
        "libp2p",
        "httpx2",
        "pydantic",
        "trio",
        "anyio",
        "asyncio",
        "starlette",
        "cbor2",
        "typing",
    ):
        assert heavy not in loaded


def test_the_sdk_does_not_load_the_network():
    loaded = json.loads(python(
        "import sys, json, symphony; symphony.Symphony;"
        "print(json.dumps([m for m in sys.modules if m.startswith(('libp2p', 'symphony.'))]))"
    ))  # fmt: skip
    foreign = [m for m in loaded if not m.startswith(("symphony.client", "symphony.errors"))]
    assert foreign == []
