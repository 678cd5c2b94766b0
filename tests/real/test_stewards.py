"""A conductor that is killed with a durable task in its hands, and never comes back."""

from __future__ import annotations

import pytest

from ledger import parse_did_key
from symphony.client import Symphony
from symphony.core.receipts.receipt import verify_receipt

from .stage import SLOW, Stage

pytestmark = pytest.mark.real


def test_the_answer_is_found_by_id_at_a_steward(stage: Stage) -> None:
    conductor = stage["n1"]
    stewards: list[str] = []
    with Symphony(conductor.url, api_key=conductor.api_key) as swarm:
        task = swarm.tasks.submit("ANSWER: 42", skill=SLOW, planning="never", durable=True)
        events = task.events()
        awarded = 0
        for event in events:
            awarded += event["type"] == "award"
            if event["type"] == "entrusted":
                stewards.append(event["steward"])
            if awarded == 3 and len(stewards) == 2:
                break
        events.close()
    conductor.kill()

    ids = {parse_did_key(node.node).hex(): node for node in stage.nodes}
    first, second = (ids[steward] for steward in stewards)
    with Symphony(first.url, api_key=first.api_key) as swarm:
        found = swarm.tasks.get(task.id)
        assert found.info()["state"] == "running"
        answer = found.result()
        assert answer.text == "42"
        report = verify_receipt(swarm.receipts.get(task.id))
        assert report.answer == "42"
        assert report.conductor == parse_did_key(conductor.node)
        assert report.author in {parse_did_key(first.node), parse_did_key(second.node)}
    with Symphony(second.url, api_key=second.api_key) as swarm:
        assert swarm.tasks.get(task.id).result().text == "42"
