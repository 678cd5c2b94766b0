"""`docs/gateway.md` and `docs/sdk.md` have every path, option, field and error, and no other."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

from gateway.fake_port import FakePort

import symphony
from symphony import errors
from symphony.client import aio, sync
from symphony.client.answer import Answer
from symphony.core.events import TaskEnded, TaskEvent
from symphony.core.spec import TaskSpec
from symphony.gateway.chat_models import ChatRequest
from symphony.gateway.faults import STATUS
from symphony.gateway.metrics import Metrics
from symphony.gateway.node_api import NodeApi
from symphony.gateway.openai_api import OpenAiApi
from symphony.gateway.submissions import Submissions
from symphony.gateway.task_api import TaskApi
from symphony.gateway.task_models import TaskBody, TaskOptions

DOCS = Path(__file__).parents[1] / "docs"
GATEWAY, SDK = (DOCS / "gateway.md").read_text(), (DOCS / "sdk.md").read_text()


def rows(page: str, head: str) -> list[list[str]]:
    """The cells of the table whose first column is called that."""
    found = re.search(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert found, f"no table of {head}"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found[1].splitlines()]


def words(page: str, head: str) -> list[str]:
    return [word for row in rows(page, head) for word in re.findall(r"`([^`]+)`", row[0])]


def test_the_paths() -> None:
    port: Any = FakePort()
    taken = Submissions(port)
    metrics = Metrics.__new__(Metrics)
    apis = NodeApi(port, metrics), TaskApi(port, taken), OpenAiApi(port, taken)
    served = [
        f"{method} {route.path.replace(':path', '')}"
        for api in apis
        for route in api.routes()
        for method in (route.methods or set()) - {"HEAD"}
    ]
    assert sorted(words(GATEWAY, "path")) == sorted(served)


def test_the_options_of_a_task_and_their_defaults() -> None:
    assert sorted(words(GATEWAY, "option")) == sorted(TaskOptions.model_fields)
    assert TaskBody.model_fields.keys() - TaskOptions.model_fields.keys() == {"prompt", "detach"}
    spec = TaskSpec("")
    for row in rows(GATEWAY, "option"):
        name = row[0].strip("`")
        default = spec.alpha_ppm if name == "alpha" else getattr(spec, name)
        by_word = {"true": True, "false": False, "none": default or None}
        told = row[1].strip("`")
        assert by_word.get(told, told) in (default or None, str(default), default), name
    assert sorted(words(SDK, "option")) == sorted(symphony.TaskOptions.__annotations__)


def test_the_events_and_the_verdict() -> None:
    types = {
        field.default
        for kind in get_args(TaskEvent)
        for field in dataclasses.fields(kind)
        if field.name == "type"
    }
    told = re.search(r"The types are (.*?):\n", GATEWAY, re.DOTALL)
    assert told
    assert set(re.findall(r"`(\w+)`", told[1])) == types
    fields = {field.name for field in dataclasses.fields(TaskEnded)} - {"type", "task", "at_ms"}
    assert sorted(words(GATEWAY, "field")) == sorted(fields)
    assert sorted(words(SDK, "field")) == sorted(field.name for field in dataclasses.fields(Answer))


def test_the_parameters_of_a_completion() -> None:
    assert sorted(words(GATEWAY, "parameter")) == sorted(ChatRequest.model_fields)


def test_the_errors() -> None:
    told = {
        code: int(row[1][:3])
        for row in rows(GATEWAY, "code")
        for code in re.findall(r"`(\w+)`", row[0])
    }
    assert told == STATUS
    named = {word for row in rows(SDK, "error") for word in re.findall(r"`(\w+)`", " ".join(row))}
    public = {name for name in dir(symphony) if isinstance(getattr(errors, name, None), type)}
    assert named - {"output_type"} == public - {"SymphonyError"}


def test_the_calls() -> None:
    def public(of: type, name: str) -> set[str]:
        return {f"{name}.{call}" for call in vars(of) if not call.startswith("_")}

    offered = public(sync.Symphony, "Symphony") | public(sync.Tasks, "tasks")
    offered |= public(sync.Task, "Task") | public(sync.Receipts, "receipts")
    assert {word.split("(")[0] for word in words(SDK, "call")} == offered
    same = public(aio.AsyncTask, "Task") | public(aio.AsyncSymphony, "Symphony")
    assert same - {"Symphony.aclose"} == {
        name for name in offered if name.startswith(("Task.", "Symphony."))
    } - {"Symphony.close"}
