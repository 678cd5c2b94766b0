"""A conductor that is killed with a task in its hands, and started again on the same home."""

from __future__ import annotations

import pytest

from symphony.client import Symphony

from .stage import SLOW, SLOW_MS, Stage, stats, until

pytestmark = pytest.mark.real
ENDS_S = SLOW_MS / 1000 + 12


def test_a_client_gets_its_answer_by_id_from_a_conductor_that_was_killed(stage: Stage) -> None:
    conductor = stage["n1"]
    asked = stats(stage.slow)["calls"]
    with Symphony(conductor.url, api_key=conductor.api_key) as swarm:
        task = swarm.tasks.submit("ANSWER: 42", skill=SLOW, planning="never", chains=3)
        events = task.events()
        awarded = 0
        for event in events:
            awarded += event["type"] == "award"
            if awarded == 3:
                break
        events.close()
    conductor.kill()

    back = stage.restart("n1")
    with Symphony(back.url, api_key=back.api_key) as swarm:
        found = swarm.tasks.get(task.id)
        answer = found.result()
        assert answer.text == "42"
        assert [event["type"] for event in found.events()].count("resumed") == 1
        assert swarm.receipts.get(task.id)
    # Its owners worked on, or were asked once more where their work could not be taken up.
    assert stats(stage.slow)["calls"] - asked <= 6

    back.kill()
    again = stage.restart("n1")
    with Symphony(again.url, api_key=again.api_key) as swarm:
        until(lambda: swarm.tasks.get(task.id).info()["state"] == "answered", ENDS_S, "it is found")
        assert swarm.tasks.get(task.id).result().text == "42"
