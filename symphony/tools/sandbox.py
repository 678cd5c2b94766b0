"""One call of a tool: a process that is born bounded, gets one text, says one text, and ends.

The tool's file sets its own rlimits before it reads a byte (see `arithmetic_child`); here are the
bounds that only a parent can keep: a clean environment, no inherited descriptors, a limit on the
wall clock, and no more output than the limit is read. What a tool says is data for the model.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import trio

from symphony.errors import SymphonyError
from symphony.tools import limits

SCRIPTS: Final = {"arithmetic": Path(__file__).with_name("arithmetic_child.py")}
_ERROR: Final = "error: "


class ToolFailed(SymphonyError):
    """A tool could not do what it was asked for; the message is for the model to read."""

    code = "tool_failed"


async def run_tool(name: str, text: str) -> str:
    """What the tool says to `text`. Raises `ToolFailed`."""
    if len(text) > limits.CALL_CHARS:
        raise ToolFailed(f"a call has at most {limits.CALL_CHARS} characters")
    command = [sys.executable, "-I", "-S", "-B", str(SCRIPTS[name])]
    process = await trio.lowlevel.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    try:
        with trio.fail_after(limits.WALL_SECONDS):
            said = await _talk(process, text)
    except trio.TooSlowError as error:
        raise ToolFailed("it took too long") from error
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    await pipe.aclose()
    if said.startswith(_ERROR):
        raise ToolFailed(said.removeprefix(_ERROR)[: limits.ANSWER_CHARS])
    if not said:
        raise ToolFailed("it said nothing")
    if len(said) > limits.ANSWER_CHARS:  # the first digits of a number are another number
        raise ToolFailed(f"the value has {len(said)} characters, more than {limits.ANSWER_CHARS}")
    return said


async def _talk(process: trio.Process, text: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await process.stdin.send_all(text.encode())
        await process.stdin.aclose()
    except trio.BrokenResourceError as error:
        raise ToolFailed("it ended before it was asked") from error
    said = bytearray()
    while block := await process.stdout.receive_some(limits.OUTPUT_BYTES):
        said += block
        if len(said) > limits.OUTPUT_BYTES:
            raise ToolFailed("it said too much")
    return said.decode("utf-8", errors="replace").strip()
