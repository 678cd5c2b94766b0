"""Retired keys in the core: agents, work, revocations, and the own log."""

from core_mesh import SWARM as MESH_SWARM
from core_mesh import WALL_MS as MESH_WALL_MS
from core_mesh import Mesh
from core_stage import SWARM, WALL_MS, Stage, capability

from ledger import Adopt, Entry, Kind, commit, encode_pledge, encode_retire, pack, seal
from symphony.core.effects import Expel, Send
from symphony.core.events import LogRetired, OwnLogRetired
from symphony.core.inputs import EntriesStored, Heard, PeerUp, Revoke, Started, WallClock
from symphony.core.messages import Beacon, Entries, Want
from symphony.core.swarm import Swarm

INVITE = b"i" * 16


def heir_of(stage, name):
    return stage.keys.signer(f"heir of {name}".encode().ljust(32, b"."))


class HandedOver(Stage):
    """Anna pledged, declared an agent, and retires; her heir declares the same agent."""

    def __init__(self, *, founder=False) -> None:
        super().__init__(peers="bob")
        signer = self.keys.signer(b"anna".ljust(32, b"."))
        self.anna, self.heir = signer, heir_of(self, "anna")
        body = encode_pledge(commit(self.heir.public))
        self.log = [self.sealed(signer, None, Kind.PLEDGE, body)]
        declared = self.peers["bob"].declare(capability()).body
        self.log.append(self.sealed(signer, self.log[-1], Kind.CAPABILITY, declared))
        self.log.append(self.sealed(signer, self.log[-1], Kind.REVOKE, INVITE))
        successor = encode_retire(self.heir.public)
        self.log.append(self.sealed(signer, self.log[-1], Kind.RETIRE, successor))
        end = self.log[-1]
        adopt = Adopt(signer.public, end.seq, end.id).encode()
        self.new = [self.sealed(self.heir, None, Kind.ADOPT, adopt)]
        self.new.append(self.sealed(self.heir, self.new[-1], Kind.CAPABILITY, declared))
        self.new.append(self.sealed(self.heir, self.new[-1], Kind.REVOKE, b"j" * 16))
        if founder:
            chance, verify = self.swarm._chance, self.keys.verify
            self.swarm = Swarm(self.signer, verify, SWARM, chance, founder=signer.public)
            self.give(WallClock(WALL_MS + self.now_ms))
        self.effects.clear()

    def sealed(self, signer, before, kind, body):
        head = before.head if before else None
        hlc = pack(WALL_MS + (head.seq if head else 0))
        expires = hlc + (10**8 << 16) if kind == Kind.CAPABILITY else None
        return seal(signer, SWARM, head, kind=kind, body=body, hlc=hlc, expires=expires)

    def show(self, *entries: Entry):
        bob = self.peers["bob"].id
        self.give(Heard(bob, Entries(tuple(entry.encode() for entry in entries))))

    def agents_of(self, signer):
        return [item for item in self.swarm.directory if item.node == signer.public]


def test_a_retired_log_has_no_agents_and_its_heir_has():
    stage = HandedOver()
    stage.show(*stage.log[:-1])
    assert len(stage.agents_of(stage.anna)) == 1
    stage.show(stage.log[-1], *stage.new)
    assert stage.agents_of(stage.anna) == []
    assert len(stage.agents_of(stage.heir)) == 1
    assert stage.told(LogRetired) == [LogRetired(stage.anna.public, 4, stage.heir.public)]


def test_stored_entries_say_the_same_in_whatever_order_the_kinds_are_read():
    for order in (1, -1):
        stage = HandedOver()
        entries = [*stage.log, *stage.new][::order]
        stage.give(EntriesStored(tuple(entries)))
        assert stage.agents_of(stage.anna) == []
        assert len(stage.agents_of(stage.heir)) == 1


def test_a_retired_key_owns_no_work_and_is_not_heard():
    stage = HandedOver()
    stage.show(*stage.log)
    stage.give(PeerUp(stage.anna.public, 1))
    assert stage.anna.public not in stage.swarm._trusted()
    stage.give(PeerUp(stage.heir.public, 1))
    assert stage.heir.public in stage.swarm._trusted()
    stage.effects.clear()
    stage.give(Heard(stage.anna.public, Beacon(b"b" * 16, b"t" * 16, stage.anna.public, (), 1)))
    assert stage.effects == []


def test_the_heir_of_the_founder_revokes_and_what_the_founder_revoked_stays():
    for late in (False, True):
        stage = HandedOver(founder=True)
        stage.show(*stage.new) if late else stage.show(*stage.log)
        assert stage.swarm.revoked == (frozenset() if late else {INVITE})
        stage.show(*stage.log) if late else stage.show(*stage.new)
        assert stage.swarm.revoked == {INVITE, b"j" * 16}
        expelled = [effect.invite for effect in stage.of(Expel)]
        assert sorted(expelled) == sorted(stage.swarm.revoked)
        assert stage.swarm.identities.founder() == stage.heir.public


def test_nobody_else_revokes_even_by_a_claim():
    stage = HandedOver(founder=True)
    stage.show(*stage.log[:-1])
    eve = stage.keys.signer(b"eve".ljust(32, b"."))
    claim = Adopt(stage.anna.public, 4, stage.log[-1].id).encode()
    log = [stage.sealed(eve, None, Kind.ADOPT, claim)]
    log.append(stage.sealed(eve, log[0], Kind.REVOKE, b"e" * 16))
    stage.show(*log, stage.log[-1])
    assert stage.swarm.revoked == {INVITE}


def test_a_branch_behind_a_retirement_is_asked_for_where_it_parts():
    stage = HandedOver()
    stage.show(*stage.log)
    stage.effects.clear()
    thief = stage.sealed(stage.anna, stage.log[2], Kind.TASK, b"thief")
    stage.show(stage.sealed(stage.anna, thief, Kind.TASK, b"more"))
    [sent] = stage.of(Send)
    assert sent.message == Want(stage.anna.public, 4, 4)
    stage.show(thief)
    assert stage.swarm.journal.book.frozen_at(stage.anna.public) == 3
    assert stage.swarm.identities.is_over(stage.anna.public)


def test_a_retired_own_log_is_never_appended_to():
    stage = Stage(peers="bob")
    heir = heir_of(stage, "me")
    stage.swarm = Swarm(
        stage.signer,
        stage.keys.verify,
        SWARM,
        stage.swarm._chance,
        anchors={stage.me: commit(heir.public)},
    )
    end = seal(
        stage.signer,
        SWARM,
        None,
        kind=Kind.RETIRE,
        body=encode_retire(heir.public),
        hlc=pack(WALL_MS),
    )
    stage.swarm.journal.restore([end.head])
    stage.effects.clear()
    stage.give(EntriesStored((end,)))
    stage.give(Started((capability(),), 2))
    stage.give(Revoke(INVITE))
    assert stage.told(OwnLogRetired) == [OwnLogRetired(1)]
    stage.submit()
    assert stage.entries(Kind.TASK) == []
    assert not stage.swarm.gate.may_append()


def test_a_node_pledges_before_it_says_anything_else():
    mesh = Mesh()
    node = mesh.join("one")
    commitment = commit(b"k" * 32)
    node.swarm.journal._pledge = commitment
    node.swarm.journal.write(Kind.TASK, b"first words")
    mesh.give(node, Started((), 2))
    assert [entry.kind for entry in node.store.range(node.id, 1, 9, 9999)] == [
        Kind.PLEDGE,
        Kind.TASK,
    ]
    assert node.swarm.journal.book.succession.commitment(node.id) == commitment


def test_two_nodes_agree_after_a_handover_was_learned_apart():
    mesh = Mesh()
    old, new = (mesh.keys.signer(name.ljust(32, b".")) for name in (b"old", b"new"))
    hlc = pack(MESH_WALL_MS - 9999)
    pledge, retire = encode_pledge(commit(new.public)), encode_retire(new.public)
    first = seal(old, MESH_SWARM, None, kind=Kind.PLEDGE, body=pledge, hlc=hlc)
    end = seal(old, MESH_SWARM, first.head, kind=Kind.RETIRE, body=retire, hlc=hlc + 1)
    adopt = Adopt(old.public, end.seq, end.id).encode()
    begun = seal(new, MESH_SWARM, None, kind=Kind.ADOPT, body=adopt, hlc=hlc)
    one, two = mesh.join("one", [[first, end]]), mesh.join("two", [[begun]])
    for node in (one, two):
        entries = tuple(entry for _, entry in node.store.entries(limit=99))
        mesh.give(node, EntriesStored(entries))
    mesh.link(one, two)
    assert one.heads() == two.heads()
    for node in (one, two):
        assert node.swarm.journal.book.succession.speaker(old.public) == new.public
