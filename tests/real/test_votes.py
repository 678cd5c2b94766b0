"""Certified stops and probes between real processes."""

from __future__ import annotations

import pytest

from ledger import Kind, parse_did_key
from ledger.sqlite import SqliteStore
from symphony.core.receipts.receipt import verify_receipt
from symphony.identity import read_swarm
from symphony.testing.local_swarm import LocalNode, NodePlan, local_swarm
from symphony.testing.template import forked

from .stage import Stage, ask, bare, receipt_of, until

pytestmark = pytest.mark.real

# The first probe comes within 1.5 s of a start, or as soon as somebody else is there.
PROBED_S = 30.0


def test_agreement_is_certified_after_three_of_nine(stage: Stage) -> None:
    asked = {"plan": "never", "answer_type": "number", "rule": "majority", "chains": 9}
    verdict = ask(stage["n2"], "ANSWER: 42", alpha=0.05, **asked)
    assert (verdict["outcome"], verdict["answer"], len(verdict["ballots"])) == ("answered", "42", 3)
    assert verdict["stop"].startswith("certified at 5 %")
    report = verify_receipt(receipt_of(stage["n2"], verdict))
    assert (report.settled, report.alpha_ppm, report.e_milli) == ("certified", 50_000, 20_999)


def test_a_probe_is_a_task_that_nobody_asked_for(stage: Stage) -> None:
    """Its entries look like any other task's, and no receipt of it is kept. In a swarm of its own:
    of the others' agents some never end, and a probe takes whoever comes.
    """
    settings = bare(agents=[stage.root / "agents" / "quick"], root=stage.root)
    often = settings | {"SYMPHONY_PROBES_PER_HOUR": "3600"}
    plans = [NodePlan("asked", settings), NodePlan("prober", often)]
    with local_swarm(stage.root / "probing", plans, forked) as (asked, prober):
        until(
            lambda: entries_of(asked, prober.node, Kind.VERDICT),
            PROBED_S,
            "a probe is asked, and ends in a verdict that others know",
        )
        assert list((prober.home / "receipts").iterdir()) == []


def entries_of(node: LocalNode, author: str, kind: Kind) -> int:
    """How many entries of this kind and author a node's ledger holds."""
    swarm = read_swarm(node.home)
    assert swarm is not None
    store = SqliteStore.open_readonly(node.home / "ledger.sqlite", swarm.swarm_id)
    try:
        rows = store.by_kind(kind, after_rowid=0, limit=4096)
        return sum(entry.author == parse_did_key(author) for _, entry in rows)
    finally:
        store.close()
