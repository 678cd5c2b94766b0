"""Every engine keeps the one contract: see `symphony.testing.engine_contract`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

from symphony.testing.engine_contract import CHECKS, Check, Subject

from . import subjects

Made = Callable[[Path], AbstractAsyncContextManager[Subject]]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_echo(check: Check, autojump_clock: trio.testing.MockClock) -> None:
    async with subjects.echo() as subject:
        await check(subject)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_echo_over_http(check: Check) -> None:
    async with subjects.echo_over_http() as subject:
        await check(subject)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_replay(check: Check, tmp_path: Path) -> None:
    async with subjects.replay(tmp_path) as subject:
        await check(subject)


@pytest.mark.real
@pytest.mark.parametrize("made", [subjects.llamacpp, subjects.llamacpp_by_url])
async def test_a_real_model(made: Made, smollm2: Path) -> None:
    """One server for all checks: its death is the last."""
    async with made(smollm2) as subject:
        for check in CHECKS:
            try:
                await check(subject)
            except Exception as error:
                error.add_note(f"in {check.__name__}")
                raise
