"""Serving the application: sockets, Hypercorn under trio, and an end that always comes.

The socket is opened here and handed over as a file descriptor, for three reasons: port 0 gives a
free port whose number we must know; an address in use must be our typed error; and
`TCP_USER_TIMEOUT`, inherited by every accepted connection, is the only thing that ends a client
that stops reading, because Hypercorn shields its sends from cancellation.

Only the loopback is listened on unless the operator says otherwise.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve
from hypercorn.typing import Framework

from symphony.errors import ConfigError
from symphony.gateway import limits
from symphony.gateway.app import create_app
from symphony.gateway.auth import Access, new_api_key
from symphony.gateway.departed import Departed
from symphony.gateway.metrics import Metrics
from symphony.gateway.port import NodePort

if TYPE_CHECKING:
    from trio_typing import TaskStatus

LOGGER = "symphony.gateway"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens and what it asks for. Port 0 takes a free one.

    `allowed_hosts` are names that a `Host` header may carry besides IP addresses and
    `localhost`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    api_key: str = field(default_factory=new_api_key, repr=False)
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that listens: its base URL and the key that opens it."""

    url: str
    api_key: str = field(repr=False)


async def serve_gateway(
    port: NodePort,
    settings: GatewaySettings,
    *,
    stop: trio.Event,
    metrics: Metrics | None = None,
    task_status: TaskStatus[Serving] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `port` until `stop` is set; started with `Serving` once it listens.

    Streams that are open at the end get `limits.CLOSE_S` to finish. Raises `ConfigError` when
    the address can't be had.
    """
    counted = metrics if metrics is not None else Metrics(port)
    access = Access(settings.api_key, settings.host, settings.allowed_hosts)
    app = create_app(port, access, counted)
    listener = open_listener(settings.host, settings.port)
    serving = Serving(_url(settings.host, listener.getsockname()[1]), settings.api_key)
    config = hypercorn_config(listener.detach())
    async with trio.open_nursery() as nursery:
        await nursery.start(counted.follow, port)

        async def run(task_status: TaskStatus[list[str]]) -> None:
            await hypercorn_serve(
                cast("Framework", Departed(app)),
                config,
                shutdown_trigger=stop.wait,
                task_status=task_status,
                mode="asgi",
            )
            nursery.cancel_scope.cancel()

        await nursery.start(run)
        task_status.started(serving)


def open_listener(host: str, port: int) -> socket.socket:
    """A bound TCP socket with our limits. Raises `ConfigError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            stalled_ms = int(limits.STALLED_S * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stalled_ms)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            f"the gateway can't listen on {host} port {port}: {reason}",
            hint="choose another one with --gateway-port, where 0 takes a free one",
        ) from None
    return listener


def hypercorn_config(descriptor: int) -> Config:
    """Hypercorn's settings: our limits, our logger, no banner."""
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.errorlog = logging.getLogger(LOGGER)
    config.accesslog = None
    config.include_server_header = False
    config.graceful_timeout = limits.CLOSE_S
    config.keep_alive_timeout = limits.IDLE_S
    config.h11_max_incomplete_size = limits.MAX_HEADER_BYTES
    return config


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
