"""Seeking a node through others: it is found, at a cost that does not grow with the swarm."""

from collections import Counter, deque
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.effects import Meet, Reject, Send
from symphony.core.outbox import Outbox
from symphony.core.peers.introducing import Introducing
from symphony.core.peers.presence import Seek

SEEKER, ADDRESS = 0, "/ip4/10.0.0.1/tcp/4001/p2p/seeker"


def node_id(number):
    return number.to_bytes(32, "big")


class Web:
    """Nodes with some connections each, and every seek that was sent."""

    def __init__(self, links, seed=1) -> None:
        self.links = links
        self.known = {}
        self.sent: list[tuple[int, int, Seek]] = []
        self.effects: list[tuple[int, object]] = []
        self.outs = [Outbox(node_id(number)) for number in range(len(links))]
        self.nodes: list[Introducing] = []
        for number, (mine, out) in enumerate(zip(links, self.outs, strict=True)):
            connected = {node_id(other) for other in (number, *mine)}
            own = (ADDRESS,) if number == SEEKER else ()
            address_of = self.known.get if number == SEEKER else {}.get
            dice = Random(f"{seed}/{number}")
            self.nodes.append(Introducing(out, dice, connected, address_of, lambda own=own: own))

    def reach(self, *sought: int, urgent=False, now_ms=0) -> None:
        for out in self.outs:
            out.now_ms = now_ms
        self.nodes[SEEKER].reach([node_id(number) for number in sought], urgent)
        self._deliver()

    def hear(self, peer, at, seek) -> None:
        self.nodes[at].heard(node_id(peer), seek)
        self._deliver()

    def _deliver(self) -> None:
        under_way = deque(range(len(self.nodes)))
        while under_way:
            number = under_way.popleft()
            for effect in self.outs[number].take():
                self.effects.append((number, effect))
                if isinstance(effect, Send):
                    target = int.from_bytes(effect.peer, "big")
                    self.sent.append((number, target, effect.message))
                    assert target in self.links[number]
                    self.nodes[target].heard(node_id(number), effect.message)
                    under_way.append(target)

    def dials(self):
        """Who dials whom at which address."""
        meets = [(node, effect) for node, effect in self.effects if isinstance(effect, Meet)]
        assert all(effect.wanted for _, effect in meets)
        return [(n, int.from_bytes(meet.peer, "big"), meet.addresses) for n, meet in meets]


def a_web(nodes, degree, seed):
    dice = Random(seed)
    links = [set() for _ in range(nodes)]
    for number in range(nodes):
        for other in dice.sample(range(nodes), min(degree, nodes)):
            if other != number:
                links[number].add(other)
                links[other].add(number)
    return Web(links, seed)


def test_a_node_whose_address_is_known_is_dialled_and_nobody_is_asked():
    web = Web([{1}, {0}, set()])
    web.known[node_id(2)] = "/ip4/10.0.0.2/tcp/1"
    web.reach(2)
    assert web.dials() == [(SEEKER, 2, ("/ip4/10.0.0.2/tcp/1",))]
    assert not web.sent


def test_a_node_two_peers_away_dials_the_seeker():
    web = Web([{1}, {0, 2}, {1, 3}, {2}])
    web.reach(3)
    assert [(source, target) for source, target, _ in web.sent] == [(0, 1), (1, 2), (2, 3)]
    assert web.dials() == [(3, SEEKER, (ADDRESS,))]


def test_nobody_passes_a_seek_on_further_than_that():
    web = Web([{1}, {0, 2}, {1, 3}, {2, 4}, {3}])
    web.reach(4)
    assert not web.dials()
    assert len(web.sent) == 2


def test_it_is_not_sought_again_soon_unless_nobody_can_do_the_work():
    web = Web([{1}, {0}, set()])
    web.reach(2)
    web.reach(2, now_ms=limits.SEEK_AGAIN_MS - 1)
    assert len(web.sent) == 1
    web.reach(2, urgent=True, now_ms=limits.SEEK_AGAIN_MS)
    web.reach(2, urgent=True, now_ms=limits.SEEK_AGAIN_MS + limits.SEEK_URGENT_MS - 1)
    assert len(web.sent) == 2
    web.known[node_id(2)] = "/ip4/10.0.0.2/tcp/1"  # where it was not, it seems
    web.reach(2, now_ms=3 * limits.SEEK_AGAIN_MS)
    assert len(web.sent) == 3
    assert len(web.dials()) == 1


def test_a_seek_begun_in_the_name_of_another_is_refused():
    web = Web([{1}, {0, 2}, {1}])
    forged = Seek((node_id(2),), node_id(7), (ADDRESS,), 1, limits.SEEK_HOPS)
    web.hear(0, 1, forged)
    assert [effect.reason for _, effect in web.effects if isinstance(effect, Reject)]
    assert not web.sent


def test_a_flood_of_seeks_is_dropped_and_little_of_it_remembered():
    web = Web([{1}, {0, 2}, {1}])
    for number in range(3 * limits.MAX_SEEKS_KNOWN):
        web.outs[1].now_ms += 1
        web.hear(0, 1, Seek((node_id(2),), node_id(0), (ADDRESS,), number, limits.SEEK_HOPS))
    handled = len(web.sent)
    assert handled <= limits.SEEKS_BURST + limits.SEEKS_PER_S * web.outs[1].now_ms // 1000 + 1
    assert len(web.nodes[1]._handled) <= limits.MAX_SEEKS_KNOWN
    web.nodes[1].gone(node_id(0))
    assert not web.nodes[1]._turns


@given(st.integers(2, 120), st.integers(1, 12), st.integers(0, 99), st.integers(1, limits.SOUGHT))
@settings(max_examples=40, deadline=None)
def test_a_seek_costs_no_more_than_it_may_and_finds_who_is_near(nodes, degree, seed, count):
    web = a_web(nodes, degree, seed)
    far = [number for number in range(1, nodes) if number not in web.links[SEEKER]][:count]
    if not far:
        return
    web.reach(*far)
    assert len(web.sent) <= limits.SEEK_MESSAGES
    passed_on = Counter(source for source, _, _ in web.sent)
    per_node = max(limits.SEEK_FIRST, limits.SEEK_FURTHER + limits.SOUGHT)
    assert all(count <= per_node for count in passed_on.values())  # each node handled it once
    assert len({seek.number for _, _, seek in web.sent}) <= 1
    dials = web.dials()
    assert len(dials) == len(set(dials))
    assert {node for node, _, _ in dials} <= set(far)
    asked = {target for source, target, _ in web.sent if source == SEEKER}
    for number in far:
        if web.links[number] & asked:
            assert (number, SEEKER, (ADDRESS,)) in dials


def test_the_cost_of_a_seek_is_the_same_in_swarms_of_all_sizes():
    costs = []
    for nodes in (50, 500, 5_000):
        web = a_web(nodes, 12, 1)
        far = [number for number in range(1, nodes) if number not in web.links[SEEKER]]
        web.reach(*far[: limits.SOUGHT])
        costs.append(len(web.sent))
    assert max(costs) <= limits.SEEK_FIRST * (1 + limits.SEEK_FURTHER) + limits.SEEK_FIRST * 4
