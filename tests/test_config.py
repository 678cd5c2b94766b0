"""Settings: which layer wins, what is refused, and that every refusal says what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from symphony.config import (
    check_private,
    load_settings,
    make_home,
    resolve_home,
    setting_names,
    write_private,
)
from symphony.errors import ConfigError


def _file(home: Path, text: str, mode: int = 0o600) -> Path:
    home.mkdir(mode=0o700, exist_ok=True)
    path = home / "config.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_each_layer_wins_over_the_one_below_and_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = _file(home, '[gateway]\nport = 1\nhost = "::1"\n[log]\nlevel = "error"\n')
    loaded = load_settings(
        {"gateway.port": 3, "log.format": None},
        home=home,
        environ={"SYMPHONY_GATEWAY_PORT": "2", "SYMPHONY_LOG_LEVEL": "debug"},
    )
    settings = loaded.settings
    assert (settings.gateway.port, settings.log.level, settings.gateway.host) == (3, "debug", "::1")
    assert settings.log.format == "human"
    assert loaded.origins["gateway.port"] == "--gateway-port"
    assert loaded.origins["log.level"] == "SYMPHONY_LOG_LEVEL"
    assert loaded.origins["gateway.host"] == str(path)
    assert "log.format" not in loaded.origins


def test_lists_come_from_the_environment_with_commas(tmp_path: Path) -> None:
    environ = {"SYMPHONY_PEERS": "/ip4/10.0.0.1/tcp/1, /ip4/10.0.0.2/tcp/2"}
    settings = load_settings(home=tmp_path, environ=environ).settings
    assert settings.peers == ("/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/2")


@pytest.mark.parametrize("name", [n for n in setting_names() if n != "home"])
def test_every_setting_has_a_variable(name: str, tmp_path: Path) -> None:
    variable = "SYMPHONY_" + name.upper().replace(".", "_")
    values = {
        "preset": "lan",
        "listen": "/ip4/127.0.0.1/tcp/0",
        "peers": "/ip4/127.0.0.1/tcp/1",
        "append_unasked": "true",
        "probes_per_hour": "1.5",
        "engine.kind": "openai",
        "engine.url": "http://127.0.0.1:1",
        "engine.nodes_on_machine": "2",
        "engine.self_test_after_s": "90",
        "gateway.enabled": "false",
        "gateway.port": "0",
        "log.level": "debug",
        "log.format": "json",
    }
    environ = {variable: values.get(name, "some-text")}
    loaded = load_settings(home=tmp_path, environ=environ)
    assert loaded.origins[name] == variable


REFUSED = {
    "[gateway]\nprot = 3\n": ("unknown setting 'gateway.prot'", "did you mean 'port'?"),
    "[gatway]\nport = 3\n": ("unknown table [gatway]", "did you mean 'gateway'?"),
    "lissten = []\n": ("unknown setting 'lissten'", "did you mean 'listen'?"),
    "gateway = 1\n": ("gateway: Input should be a valid dictionary", "a table"),
    "[gateway]\nport = 65536\n": ("less than or equal to 65535", "gateway.port: the port"),
    "[log]\nlevel = 'loud'\n": ("'debug', 'info', 'warning' or 'error'", "log.level"),
    "peers = ['10.0.0.1:4717']\n": ("is no libp2p address", "peers: libp2p addresses"),
    "[engine]\nurl = 'ftp://x'\n": ("must start with http", "engine.url"),
    "[engine.x]\ny = 1\n": ("unknown table [engine.x]", "did you mean 'engine'?"),
    "home = '/somewhere'\n": ("home can't be set in a file", "--home DIR"),
    "[[\n": ("is no TOML", "correct that line"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_file_is_refused_with_the_next_step(text: str, tmp_path: Path) -> None:
    path = _file(tmp_path / "home", text)
    message, hint = REFUSED[text]
    with pytest.raises(ConfigError) as caught:
        load_settings(home=tmp_path / "home", environ={})
    assert message in caught.value.message
    assert str(path) in caught.value.message
    assert hint in caught.value.hint


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    _file(tmp_path / "home", "#" * (64 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than"):
        load_settings(home=tmp_path / "home", environ={})


def test_a_misspelt_variable_is_refused_but_others_may_use_the_prefix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(home=tmp_path, environ={"SYMPHONY_GATEWAY_PROT": "1"})
    assert caught.value.hint == "did you mean SYMPHONY_GATEWAY_PORT?"
    environ = {"SYMPHONY_MODELS": "/m", "SYMPHONY_TELESCOPE": "x", "SYMPHONY_URL": "http://x"}
    assert load_settings(home=tmp_path, environ=environ).settings.home == tmp_path


def test_a_file_with_a_secret_must_be_private(tmp_path: Path) -> None:
    path = _file(tmp_path / "home", 'invite = "sym1abc"\n', mode=0o640)
    with pytest.raises(ConfigError) as caught:
        load_settings(home=tmp_path / "home", environ={})
    assert caught.value.hint == f"chmod 600 {path}"
    path.chmod(0o600)
    settings = load_settings(home=tmp_path / "home", environ={}).settings
    assert settings.invite is not None
    assert "sym1abc" not in repr(settings)


def test_a_wrong_secret_is_never_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"engine.api_key": ["hunter2"]}, home=tmp_path, environ={})
    assert "hunter2" not in str(caught.value)


def test_the_home_is_found_by_flag_then_variable_then_platform(tmp_path: Path) -> None:
    environ = {"SYMPHONY_HOME": str(tmp_path / "env")}
    assert resolve_home(tmp_path / "flag", environ) == tmp_path / "flag"
    assert resolve_home(None, environ) == tmp_path / "env"
    assert resolve_home(None, {}).name == "symphony"


def test_the_home_is_made_private_and_refused_when_open(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    make_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    home.chmod(0o750)
    with pytest.raises(ConfigError) as caught:
        make_home(home)
    assert caught.value.hint == f"chmod 700 {home}"
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be made"):
        make_home(tmp_path / "file" / "home")


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old")
    before = os.umask(0)
    try:
        write_private(path, b"new")
    finally:
        os.umask(before)
    check_private(path, 0o600)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_presets_listen_where_they_say(tmp_path: Path) -> None:
    local = load_settings(home=tmp_path, environ={}).settings
    assert local.listen_addresses == ("/ip4/127.0.0.1/tcp/0",)
    lan = load_settings({"preset": "lan"}, home=tmp_path, environ={}).settings
    assert lan.listen_addresses[0].startswith("/ip4/0.0.0.0/")
    named = load_settings({"listen": ["/ip4/10.0.0.7/tcp/9"]}, home=tmp_path, environ={}).settings
    assert named.listen_addresses == ("/ip4/10.0.0.7/tcp/9",)
