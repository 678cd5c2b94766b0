"""Who is let in, who is not, and who has to go: invites against a founder that runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from symphony.core.peers.invite import Invite, make_invite
from symphony.identity import load_identity, read_swarm
from symphony.testing.local_swarm import LocalNode, NodePlan, await_ready, spawn_node, stop_all
from symphony.testing.template import forked

from .stage import Stage, bare, symphony, until

pytestmark = pytest.mark.real

HOUR_MS = 3_600_000
EXPELLED_S = 8.0  # the founder looks every 3 s


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A machine that is in no swarm yet."""

    home: Path
    settings: dict[str, str]

    def join(self, token: str) -> tuple[int, str]:
        """Try to join; the exit code and what was said."""
        file = self.home.with_suffix(".invite")
        file.write_text(token)
        done = symphony(self.home, "join", "--token-file", str(file), **self.settings)
        assert done.out == ""
        return done.code, done.err


@pytest.fixture
def newcomer(whole: Stage, tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path / "new", bare(agents=[whole.root / "agents/quick"], root=whole.root))


def invite(founder: LocalNode, *, from_ms: int, to_ms: int) -> Invite:
    """An invite by this founder, good between two times that are relative to now."""
    swarm = read_swarm(founder.home)
    assert swarm is not None
    now_ms = time.time_ns() // 1_000_000
    return make_invite(
        swarm.genesis,
        founder=load_identity(founder.home),
        secret=os.urandom(32),
        issued_ms=now_ms + from_ms,
        expires_ms=now_ms + to_ms,
        bootstrap=tuple(founder.ready["addresses"]),
    )


def test_an_expired_invite(stage: Stage, newcomer: Newcomer) -> None:
    old = invite(stage["n1"], from_ms=-2 * HOUR_MS, to_ms=-HOUR_MS)
    code, said = newcomer.join(old.token())
    assert code == 4
    assert "expired" in said
    assert "next:  ask for a new one" in said


def test_an_invite_to_another_swarm(stage: Stage, newcomer: Newcomer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert symphony(other, "init").code == 0
    address = stage["n1"].ready["addresses"][0]
    token = symphony(other, "invite", "create", "--address", address).out.strip()
    code, said = newcomer.join(token)
    assert code == 3, "ProtocolMismatch: nobody of that swarm was reached"
    assert "swarm" in said
    assert "Traceback" not in said


@pytest.fixture
def guest(stage: Stage, newcomer: Newcomer) -> Iterator[tuple[LocalNode, str, str]]:
    """A node that came with an invite; with the invite's id and token."""
    founder = stage["n1"]
    done = symphony(founder.home, "invite", "create", "--expires", "1h", "--json")
    token = done.json()["token"]
    invite_id = done.json()["id"]
    settings = newcomer.settings | {"SYMPHONY_INVITE": token}
    newcomer.home.mkdir(mode=0o700)
    node = spawn_node(NodePlan("guest", settings), newcomer.home, start=forked)
    try:
        await_ready(node)
        yield node, invite_id, token
    finally:
        stop_all([node])


def test_revoking_an_invite_expels_who_came_with_it(
    stage: Stage, guest: tuple[LocalNode, str, str], tmp_path: Path
) -> None:
    node, invite_id, token = guest
    members = (stage["n1"], stage["n2"])
    until(lambda: all(sees(m, node) for m in members), EXPELLED_S, "the guest is one of them")

    done = symphony(stage["n1"].home, "invite", "revoke", invite_id[:12])
    assert done.code == 0
    assert "within seconds" in done.err
    until(lambda: not any(sees(m, node) for m in stage.nodes), EXPELLED_S, "nobody knows it")

    # The same invite again, in another home: refused by everybody.
    again = Newcomer(
        tmp_path / "again", bare(agents=[stage.root / "agents/quick"], root=stage.root)
    )
    code, said = again.join(token)
    assert code == 4
    assert "revoked" in said
    assert "next:  " in said


def sees(member: LocalNode, node: LocalNode) -> bool:
    with member.client(10) as client:
        return any(p["node"] == node.node for p in client.get("/api/peers").json()["peers"])
