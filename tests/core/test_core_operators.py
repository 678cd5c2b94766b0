"""Operators: who runs a node is what the founder vouches, and counts in every weight."""

from core_votes import NINE, Panel, Told, capability

from ledger import Kind
from symphony.core.inputs import Heard, PeerUp
from symphony.core.messages import Entries
from symphony.core.records import AWARD


def panel_of(vouched: dict[str, str], claimed: dict[str, str], names: str = NINE) -> Panel:
    panel = Panel(names)
    for name in panel.names:
        peer = panel.stage.peers[name]
        panel.stage.give(PeerUp(peer.id, 2, vouched.get(name, "")))
        entry = peer.declare(capability(operator=claimed.get(name)))
        panel.stage.capabilities[name] = entry
        panel.stage.give(Heard(peer.id, Entries((entry.encode(),))))
    return panel


def weights_of(operators: dict[str, str]) -> dict[bytes, int]:
    """What each of five owners weighs, after as much evidence on each of them."""
    names = "ada bob cid dan eva"
    panel = panel_of(operators, operators, names)
    for prober, others in (("ada", "bob cid dan eva"), ("bob", "ada")):
        panel.probed(prober, *(Told(name, 9, 1) for name in others.split()))
    all_differ = {name: str(at) for at, name in enumerate(panel.names)}
    report = panel.verified(panel.run(all_differ, chains=5))
    return {ballot.owner: ballot.weight for ballot in report.ballots}


def test_the_nodes_of_one_operator_weigh_no_more_than_all_others() -> None:
    assert set(weights_of({}).values()) == {10**6}
    panel = panel_of({}, {}, "ada bob cid dan eva")
    mallory = {panel.stage.peers[name].id for name in ("ada", "bob", "cid")}
    weights = weights_of(dict.fromkeys(("ada", "bob", "cid"), "mallory"))
    held = sum(weight for owner, weight in weights.items() if owner in mallory)
    others = sum(weight for owner, weight in weights.items() if owner not in mallory)
    assert 0 < held <= others == 2 * 10**6


def test_a_bid_that_names_another_operator_than_was_vouched_is_not_heard() -> None:
    vouched = {"bob": "alice"}
    panel = panel_of(vouched, {"ada": "alice", "bob": "alice", "cid": "carol"}, "ada bob cid dan")
    panel.run({}, rule="majority", chains=1)
    (record,) = [AWARD.decode(e.body) for e in panel.stage.entries(Kind.AWARD)]
    owners = {candidate.owner for candidate in record.awards[0].candidates}
    assert owners == {panel.stage.peers[name].id for name in ("bob", "dan")}
