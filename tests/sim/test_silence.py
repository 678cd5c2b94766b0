"""Silent peers in whole swarms: a direct path that is lost, a node that stalls, one cut off."""

from symphony.core.peers.contact import Contact
from symphony.core.spec import TaskSpec
from symphony.testing import NodeScript, Scenario, TaskScript, run_seed, tell
from symphony.testing.engines import AgentScript
from symphony.testing.faults import Action, Pause, Sever, Split

SOLVER = AgentScript("solver", ("solve",), ("math",), "smol", latency_ms=300)
LATE = TaskScript(30_000, 0, TaskSpec("What is 6 x 7?", chains=1, planning="never"))


def a_swarm(*actions: Action):
    return Scenario(3, (NodeScript((SOLVER,)),) * 6, (LATE,), actions=actions)


def test_who_is_not_heard_but_lives_is_vouched_for():
    cut = a_swarm(Sever(4_000, 0, 5, both_ways=True, for_ms=30_000))
    report = run_seed(cut)
    assert report.violations == ()
    assert {"link severed", "heard by another"} <= report.marks
    assert "suspected" not in report.marks
    assert report.counts["sent contact_asked"] <= 2 * 3 * (4 + 3)  # two nodes, three rounds


def test_a_severed_link_where_nobody_listens_to_others_ends_in_suspicion(monkeypatch):
    monkeypatch.setattr(Contact, "told", lambda self, by, word: None)
    report = run_seed(a_swarm(Sever(4_000, 0, 5, both_ways=True, for_ms=34_000)))
    assert "heard by another" not in report.marks
    assert "suspected" in report.marks
    assert "self-doubt" in report.marks


def test_a_stalled_node_is_suspected_and_suspects_nobody():
    lines = list(tell(a_swarm(Pause(4_000, 5, 24_000))))
    suspected = [line for line in lines if line.endswith("suspects it")]
    assert len(suspected) == 5
    assert all("hears nothing of node 5 " in line for line in suspected)
    assert any("ENDS answered" in line for line in lines)
    assert not any("VIOLATION" in line for line in lines)


def test_a_node_that_hears_nobody_asks_about_nobody():
    deaf = Split(4_000, frozenset({1, 2, 3, 4, 5}), both_ways=False, for_ms=24_000, noticed=False)
    report = run_seed(a_swarm(deaf))
    assert report.violations == ()
    assert "suspected" not in report.marks
    assert "sent contact_asked" not in report.counts


def test_calm_weather_costs_no_question():
    report = run_seed(a_swarm())
    assert report.violations == ()
    assert "sent contact_asked" not in report.counts
