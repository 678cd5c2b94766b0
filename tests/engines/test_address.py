"""Where a model server is: what is refused, and what is never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.engines.address import key_headers, read_address, shown_address
from symphony.engines.openai import OpenAIEngine
from symphony.engines.registry import EngineSpec, explain_choice, open_engine
from symphony.errors import ConfigError

BAD = [
    "http://localhost:80a0",
    "http://[::1",
    "http://gpu box",
    "http://h:99999",
    "http://h:0",
    "http://",
    "http:///v1",
    "ftp://h",
    "h:80",
    "",
    "http://h\x00",
    "http://h/v1?key=pw",
    "http://h/v1#pw",
    "http://me:pw/d@h:1",
    "http://" + "a" * 70_000,
]


@pytest.mark.parametrize("url", BAD)
async def test_an_address_that_is_none(url: str):
    for refusing in (read_address, OpenAIEngine):
        with pytest.raises(ConfigError, match="the engine's url") as caught:
            refusing(url)
        assert "pw" not in str(caught.value)
        assert caught.value.__cause__ is None
    choice = explain_choice(EngineSpec("openai", model="m", url=url))
    assert not choice.usable
    assert "http://host:port" in choice.reasons[-1]
    with pytest.raises(ConfigError):
        async with open_engine(EngineSpec("openai", model="m", url=url)):
            pass


@pytest.mark.parametrize("key", ["schlüssel", "a\r\nhost: evil", "two words", "new-line\n"])
def test_a_key_that_no_header_can_hold(key: str):
    for refusing in (key_headers, lambda key: OpenAIEngine("http://127.0.0.1:1", api_key=key)):
        with pytest.raises(ConfigError, match="the engine's key") as caught:
            refusing(key)
        assert key not in str(caught.value)
    assert not explain_choice(EngineSpec("vllm", url="http://127.0.0.1:1", api_key=key)).usable


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:pw@10.0.0.9:8000/v1/", "http://10.0.0.9:8000"),
        ("https://me@host/some/token", "https://host"),
        ("http://:pw@[::1]:8080", "http://[::1]:8080"),
        ("http://me:pw/d@h:1", "an address that can't be read"),
    ],
)
async def test_a_server_is_named_by_scheme_host_and_port(url: str, shown: str):
    assert shown_address(url) == shown
    for kind in ("openai", "vllm", "auto"):
        said = " ".join(explain_choice(EngineSpec(kind, model="m", url=url)).reasons)  # type: ignore[arg-type]
        assert "pw" not in said
        assert "token" not in said


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.sampled_from(["", "http://"]))
def test_any_text_is_an_address_or_a_typed_error(text: str, scheme: str):
    try:
        root = read_address(scheme + text)
    except ConfigError:
        assert shown_address(scheme + text) == "an address that can't be read"
    else:
        assert root.host
        assert "@" not in shown_address(root)
