"""A node inside an asyncio program: trio runs it in a second thread, stopped with a bound."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from concurrent.futures import Future
from threading import Thread
from typing import Self

import trio

from symphony import AsyncSymphony
from symphony.config import NodeSettings, load_settings
from symphony.node import Ready, run_node
from symphony.node.logs import configure_logging


class EmbeddedNode:
    """`async with EmbeddedNode(settings) as node`: `node.ready` says what it is."""

    def __init__(self, settings: NodeSettings) -> None:
        self._started: Future[Ready] = Future()
        self._thread = Thread(target=trio.run, args=(self._main, settings), daemon=True)

    async def _main(self, settings: NodeSettings) -> None:
        self._token = trio.lowlevel.current_trio_token()
        try:
            with trio.CancelScope() as self._scope:
                await run_node(settings, self._started.set_result)
        except Exception as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def __aenter__(self) -> Self:
        self._thread.start()
        self.ready = await asyncio.wait_for(asyncio.wrap_future(self._started), timeout=90)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._token.run_sync_soon(self._scope.cancel)
        await asyncio.to_thread(self._thread.join, 30)
        assert not self._thread.is_alive(), "the node did not stop within 30 s"


async def ask(question: str, home: str) -> None:
    settings = load_settings({"gateway.port": 0, "log.level": "error"}, home=home).settings
    configure_logging(settings.log)  # for the whole process, to stderr
    async with EmbeddedNode(settings) as node, AsyncSymphony(home=home) as swarm:
        print(f"{node.ready.node} hosts {', '.join(node.ready.agents) or 'no agent'}")
        print((await swarm.tasks.run(question, answer_type="number")).text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", default="How many minutes are 3 hours?")
    with tempfile.TemporaryDirectory() as throw_away:
        asyncio.run(ask(parser.parse_args().question, throw_away))
