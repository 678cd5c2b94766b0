"""`init`, `join` up to the node's start, and `invite`."""

from __future__ import annotations

import io
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.cli import join
from symphony.config import NodeSettings, load_settings
from symphony.core.peers.admission import check_hello
from symphony.core.peers.invite import parse_token
from symphony.errors import UsageError
from symphony.identity import load_identity, read_swarm
from symphony.invites import create_invite, revoked

from .conftest import Run


def test_init_makes_a_private_home_and_says_who_lives_there(run: Run, home: Path) -> None:
    made = run("init", "--name", "ours", "--json").json()
    assert made["swarm_name"] == "ours"
    assert made["node"].startswith("did:key:z6Mk")
    assert made["peer_id"].startswith("12D3KooW")
    assert made["short"] == load_identity(home).public.hex()[:8]
    swarm = read_swarm(home)
    assert swarm is not None
    assert swarm.swarm_id.hex() == made["swarm"]
    assert swarm.genesis.founder == load_identity(home).public
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for file in home.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_init_twice_is_refused_and_changes_nothing(run: Run, home: Path) -> None:
    assert "symphony join" in run("init").out
    before = (home / "node.key").read_bytes()
    again = run("init")
    assert again.code == 2
    assert "has an identity already" in again.err
    assert "--home DIR" in again.err
    assert (home / "node.key").read_bytes() == before


def test_home_may_stand_before_or_after_the_verb(run: Run, tmp_path: Path, home: Path) -> None:
    assert run("--home", tmp_path / "a", "init").code == 0
    assert run("init", "--home", tmp_path / "b").code == 0
    assert (tmp_path / "a" / "node.key").exists()
    assert (tmp_path / "b" / "node.key").exists()
    assert not home.exists()


def test_the_written_config_loads(run: Run, home: Path) -> None:
    run("init")
    text = (home / "config.toml").read_text()
    assert load_settings(home=home, environ={}).settings.preset == "local"
    commented = [line[2:] for line in text.splitlines() if line.startswith(("# [", "# "))]
    active = "\n".join(line for line in commented if line.startswith("[") or " = " in line)
    (home / "config.toml").write_text(active)
    assert load_settings(home=home, environ={}).settings.gateway.port == 4718


@pytest.mark.parametrize(
    ("damage", "message", "step"),
    [
        (lambda key: key.write_bytes(b"short"), "a key has 32 bytes", "backup"),
        (lambda key: key.chmod(0o644), "open to other users", "chmod 600"),
        (lambda key: key.unlink(), "no node lives here", "symphony init"),
    ],
)
def test_join_refuses_a_bad_key(run: Run, home: Path, damage, message: str, step: str) -> None:
    run("init")
    damage(home / "node.key")
    done = run("join")
    assert done.code == 2
    assert message in done.err
    assert step in done.err


def test_join_refuses_unknown_settings(run: Run, home: Path) -> None:
    run("init")
    (home / "config.toml").write_text("[gateway]\nprot = 1\n")
    done = run("join")
    assert done.code == 2
    assert "unknown setting 'gateway.prot'" in done.err
    assert "did you mean 'port'?" in done.err


def _token(run: Run, place: Path, *more: str) -> str:
    done = run("invite", "create", "--home", place, "--address", "/ip4/10.0.0.1/tcp/1", *more)
    assert done.code == 0, done.err
    return done.out.strip()


def _settings(home: Path, token: str) -> NodeSettings:

    return load_settings({"invite": token}, home=home, environ={}).settings


def test_an_invite_lets_another_home_in(run: Run, tmp_path: Path) -> None:
    founder, guest = tmp_path / "founder", tmp_path / "guest"
    run("init", "--home", founder)
    token = _token(run, founder)
    join.prepare(_settings(guest, token))
    mine, theirs = read_swarm(guest), read_swarm(founder)
    assert mine is not None
    assert theirs is not None
    assert mine.swarm_id == theirs.swarm_id
    assert mine.bootstrap == ("/ip4/10.0.0.1/tcp/1",)
    from symphony.core.peers.admission import Admitted, Hello, Membership

    hello = Hello(1, mine.swarm_id, "test", bytes(16), mine.proof)
    judged = check_hello(
        hello, load_identity(guest).public, Membership(theirs.genesis), int(time.time() * 1000)
    )
    assert isinstance(judged, Admitted)


def test_join_refuses_another_swarm_in_the_same_home(run: Run, tmp_path: Path, home: Path) -> None:
    run("init", "--home", tmp_path / "other")
    token = _token(run, tmp_path / "other")
    run("init")
    done = run("join", "--token-file", _file(tmp_path, token))
    assert done.code == 2
    assert "belongs to the swarm 'home'" in done.err
    assert "use one home per swarm" in done.err


def _file(folder: Path, text: str) -> Path:
    path = folder / "token"
    path.write_text(text + "\n")
    return path


def test_an_invite_names_an_operator(run: Run, tmp_path: Path) -> None:
    run("init", "--home", tmp_path / "a")
    token = _token(run, tmp_path / "a", "--operator", "  Alice  & sons ")
    assert parse_token(token).parsed_grant().operator == "Alice & sons"
    assert "Alice & sons" in run("invite", "list", "--home", tmp_path / "a").out
    for name in ("", "a" * 65):
        again = run("invite", "create", "--home", tmp_path / "a", "--operator", name)
        assert again.code == 2


def test_join_refuses_bad_expired_and_double_invites(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    founder = tmp_path / "founder"
    run("init", "--home", founder)
    token = _token(run, founder)
    done = run("join", "nonsense")
    assert (done.code, "starts with sym1" in done.err) == (2, True)
    assert "other users of this machine can see arguments" in done.err
    done = run("join", "--token-file", _file(tmp_path, token[:-4]))
    assert (done.code, "not copied whole" in done.err) == (2, True)
    done = run("join", token, "--token-file", _file(tmp_path, token))
    assert (done.code, "two invites" in done.err) == (2, True)
    key, swarm = load_identity(founder), read_swarm(founder)
    assert swarm is not None
    old = create_invite(founder, key=key, genesis=swarm.genesis, now_ms=1, minutes=1)
    monkeypatch.setattr("sys.stdin", io.StringIO(old.token()))
    done = run("join", "-")
    assert done.code == 4
    assert "has expired" in done.err
    assert "ask for a new one" in done.err


def test_join_without_a_swarm_says_what_is_missing(run: Run, home: Path) -> None:
    run("init")
    (home / "swarm.cbor").unlink()
    done = run("join", "--peer", "/ip4/10.0.0.1/tcp/1")
    assert done.code == 2
    assert "belongs to no swarm yet" in done.err


def test_tokens_come_from_file_stdin_or_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert join.read_token(None, None) is None
    assert join.read_token(None, _file(tmp_path, "sym1a")) == "sym1a"
    monkeypatch.setattr("sys.stdin", io.StringIO("sym1b\n"))
    assert join.read_token("-", None) == "sym1b"
    assert join.read_token("sym1c", None) == "sym1c"


def test_invites_are_listed_and_revoked_without_their_secrets(run: Run, home: Path) -> None:
    run("init")
    assert "no invites yet" in run("invite", "list").out
    made = run("invite", "create", "--expires", "2h", "--scope", "observer", "--json").json()
    secret = parse_token(made["token"]).secret
    stored = (home / "invites.json").read_text()
    assert secret.hex() not in stored
    assert stat.S_IMODE((home / "invites.json").stat().st_mode) == 0o600
    (row,) = run("invite", "list", "--json").json()
    assert (row["state"], row["scope"], row["id"]) == ("good", "observer", made["id"])
    assert row["expires_wall_ms"] - row["issued_wall_ms"] == 2 * 3600 * 1000
    assert run("invite", "revoke", made["id"][:6]).code == 0
    assert revoked(home) == {bytes.fromhex(made["id"])}
    assert run("invite", "list", "--json").json()[0]["state"] == "revoked"
    missing = run("invite", "revoke", "ffff")
    assert missing.code == 2
    assert "next:  symphony invite list" in missing.err


def test_only_the_founder_invites(run: Run, tmp_path: Path) -> None:
    founder, guest = tmp_path / "founder", tmp_path / "guest"
    run("init", "--home", founder)
    join.prepare(_settings(guest, _token(run, founder)))
    done = run("invite", "create", "--home", guest)
    assert done.code == 4
    assert "only the founder" in done.err


def test_an_invite_may_be_for_one_node_only(run: Run, home: Path, tmp_path: Path) -> None:
    run("init")
    other = run("init", "--home", tmp_path / "b", "--json").json()
    for name in (other["node"], other["peer_id"]):
        token = run("invite", "create", "--for", name).out.strip()
        granted = parse_token(token).parsed_grant()
        assert granted.node == load_identity(tmp_path / "b").public
    done = run("invite", "create", "--for", "somebody")
    assert done.code == 2
    assert "symphony status" in done.err


def test_times_and_lengths_are_bounded(run: Run, home: Path) -> None:
    run("init")
    assert run("invite", "create", "--expires", "soon").code == 2
    assert "24 has no unit" in run("invite", "create", "--expires", "24").err.replace("'", "")
    assert "1 minute to" in run("invite", "create", "--expires", "24s").err
    before = time.time()
    said = run("invite", "create", "--expires", "24h").err
    days = (datetime.fromtimestamp(at + 86_400, UTC) for at in (before, time.time()))
    assert any(f"good until {day:%Y-%m-%d %H:%M} UTC" in said for day in days)
    assert run("invite", "create", "--expires", "366d").code == 2
    key, swarm = load_identity(home), read_swarm(home)
    assert swarm is not None
    for minutes in (0, 525_601):
        with pytest.raises(UsageError, match="1 minute"):
            create_invite(home, key=key, genesis=swarm.genesis, now_ms=1, minutes=minutes)


def test_a_damaged_list_of_invites_is_refused(run: Run, home: Path) -> None:
    run("init")
    path = home / "invites.json"
    path.write_text("[{}]")
    path.chmod(0o600)
    done = run("invite", "list")
    assert done.code == 2
    assert "is damaged" in done.err
