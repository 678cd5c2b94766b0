"""Whoever stops waiting stops the work: the model server itself is asked what became of it."""

from __future__ import annotations

import json
from http.client import HTTPConnection

import openai
import pytest

from symphony.client import Symphony
from symphony.errors import TaskCancelled
from symphony.testing.local_swarm import LocalNode

from .stage import NEVER, RUN_S, WORDS, Stage, stats, until

pytestmark = pytest.mark.real

ABORTED_S = 2.0
BEGUN_S = 5.0
OPTIONS = {"plan": "never", "chains": 1, "skill": NEVER}


@pytest.fixture(autouse=True)
def nothing_else(stage: Stage) -> None:
    """Tasks whose conductors were killed by other tests go on after a restart: not here."""
    for node in stage.nodes:
        with node.client(RUN_S) as client:
            for task in client.get("/api/tasks").json()["tasks"]:
                if task["ended"] is None:
                    client.post(f"/api/tasks/{task['id']}/cancel")
    until(lambda: stats(stage.slow)["active"] == 0, BEGUN_S, "no model is at work")


def begun(stage: Stage) -> None:
    until(lambda: stats(stage.slow)["active"] == 1, BEGUN_S, "the model is at work")


def aborted(stage: Stage, before: dict[str, int]) -> None:
    def gone() -> bool:
        now = stats(stage.slow)
        return now["active"] == 0 and now["aborted"] == before["aborted"] + 1

    until(gone, ABORTED_S, "the model server has aborted the generation")
    assert stats(stage.slow)["completed"] == before["completed"]


def state_of_last(node: LocalNode) -> str:
    with node.client(RUN_S) as client:
        return str(client.get("/api/tasks").json()["tasks"][0]["state"])


def test_a_waiting_client_disconnects(stage: Stage) -> None:
    before = stats(stage.slow)
    node = stage["n1"]
    line = HTTPConnection(node.url.removeprefix("http://"), timeout=RUN_S)
    body = json.dumps({"prompt": WORDS, **OPTIONS})
    line.request("POST", "/api/tasks?wait=true", body, {"Authorization": f"Bearer {node.api_key}"})
    begun(stage)
    line.close()
    aborted(stage, before)
    until(lambda: state_of_last(node) == "cancelled", ABORTED_S, "the task says so")


def test_a_streaming_chat_is_left(stage: Stage) -> None:
    before = stats(stage.slow)
    node = stage["n1"]
    with openai.OpenAI(base_url=f"{node.url}/v1", api_key=node.api_key, timeout=RUN_S) as client:
        stream = client.chat.completions.create(
            model="symphony/vote-1",
            messages=[{"role": "user", "content": WORDS}],
            stream=True,
            extra_body={"symphony": {"plan": "never", "skill": NEVER, "progress": True}},
        )
        next(iter(stream))
        begun(stage)
        stream.close()
    aborted(stage, before)


def test_a_hosted_model_is_left(stage: Stage) -> None:
    before = stats(stage.slow)
    node = stage["n2"]
    with openai.OpenAI(base_url=f"{node.url}/v1", api_key=node.api_key, timeout=RUN_S) as client:
        stream = client.chat.completions.create(
            model="echo-stall", messages=[{"role": "user", "content": WORDS}], stream=True
        )
        next(iter(stream))
        begun(stage)
        stream.close()
    aborted(stage, before)


def test_a_task_is_cancelled_by_name(stage: Stage) -> None:
    before = stats(stage.slow)
    with Symphony(home=stage["n4"].home) as swarm:
        task = swarm.tasks.submit(WORDS, planning="never", chains=1, skill=NEVER)
        begun(stage)
        assert task.cancel()
        with pytest.raises(TaskCancelled):
            task.result()
        assert not task.cancel(), "it has ended already"
    aborted(stage, before)
