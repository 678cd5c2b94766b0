"""Where the gateway opens when its port is taken: not elsewhere, if somebody asked for it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from symphony.config import load_settings
from symphony.errors import ConfigError
from symphony.gateway.serve import Serving, open_listener
from symphony.node import opening
from symphony.settings import GATEWAY_PORT


async def _opened(home: Path, monkeypatch: pytest.MonkeyPatch, **flags: object) -> Serving:
    """The gateway of a node with these flags, on a machine where the usual port is taken."""

    async def serve(_desk: Any, wanted: Any, *, stop: trio.Event, task_status: Any) -> None:
        if wanted.port == GATEWAY_PORT:
            raise ConfigError("taken")
        task_status.started(Serving(f"http://127.0.0.1:{wanted.port}", "key"))
        await stop.wait()

    monkeypatch.setattr(opening, "serve_gateway", serve)
    settings = load_settings(flags, home=home, environ={}).settings
    desk: Any = None
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        serving = await opening._open_gateway(settings, desk, nursery, stack)
        nursery.cancel_scope.cancel()
    assert serving is not None
    return serving


async def test_a_default_gives_way_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as lines:
        serving = await _opened(tmp_path, monkeypatch)
    assert serving.url.endswith(":0")
    assert [line["event"] for line in lines] == ["gateway_port_taken"]


@pytest.mark.parametrize("by", ["flag", "file"])
async def test_a_port_that_was_asked_for_is_had_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    flags = {"gateway.port": GATEWAY_PORT} if by == "flag" else {}
    if by == "file":
        (tmp_path / "config.toml").write_text(f"[gateway]\nport = {GATEWAY_PORT}\n")
    with pytest.RaisesGroup(ConfigError):
        await _opened(tmp_path, monkeypatch, **flags)


def test_the_refusal_names_the_option() -> None:
    with open_listener("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(ConfigError) as caught:
            open_listener("127.0.0.1", first.getsockname()[1])
    assert caught.value.exit_code == 2
    assert "--gateway-port" in caught.value.hint
