"""The real server on a real loopback socket, in a thread of its own."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import trio

from gateway.fake_port import FakePort
from symphony.gateway.serve import GatewaySettings, Serving, serve_gateway

T = TypeVar("T")
START_S = 20
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading the real one costs 77 ms a client


@dataclass
class Live:
    url: str
    key: str
    port: FakePort
    token: trio.lowlevel.TrioToken
    stop: trio.Event

    @property
    def submitted(self) -> threading.Event:
        """Set as soon as the port has got a task."""
        return self.port.submitted

    def call(self, change: Callable[[], T]) -> T:
        """Run `change` in the server's loop."""
        return trio.from_thread.run_sync(change, trio_token=self.token)

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request on a connection of its own."""
        with self.client() as client:
            return client.request(method, path, **options)

    def client(self, key: str | None = None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=10, verify=NO_TLS)


@contextmanager
def live_gateway(settings: GatewaySettings | None = None) -> Iterator[Live]:
    wanted = settings or GatewaySettings()
    up = threading.Event()
    found: list[Live] = []
    failed: list[BaseException] = []
    stop: list[trio.Event] = []

    async def main() -> None:
        port = FakePort()
        stop.append(trio.Event())
        async with trio.open_nursery() as nursery:

            async def start(task_status=trio.TASK_STATUS_IGNORED) -> None:
                await serve_gateway(port, wanted, stop=stop[0], task_status=task_status)

            serving: Serving = await nursery.start(start)
            token = trio.lowlevel.current_trio_token()
            found.append(Live(serving.url, serving.api_key, port, token, stop[0]))
            up.set()

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=run, name="gateway")
    thread.start()
    assert up.wait(START_S)
    if failed:
        raise failed[0]
    live = found[0]
    try:
        yield live
    finally:
        with contextlib.suppress(trio.RunFinishedError):
            live.call(stop[0].set)
        thread.join(START_S)
        assert not thread.is_alive(), "the gateway did not stop"
        assert not failed, failed
