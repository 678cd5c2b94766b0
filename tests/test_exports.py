"""The public names of `symphony`, and the price of importing it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import symphony
from symphony import errors

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
