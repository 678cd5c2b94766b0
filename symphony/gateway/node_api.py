"""The node over HTTP: what it is, whom it knows, what it keeps.

GET  /api/status, /api/peers, /api/agents
GET  /api/ledger?author=KEY&after=POSITION&limit=N   a page of entries and its `next` cursor
GET  /api/receipts/{its digest, or task id}          the receipt, CBOR; sealed as far as it can be
POST /api/invites {"minutes", "scope"}               a join token; shown once
GET  /healthz                                        open: 200 as soon as the node serves
GET  /metrics                                        Prometheus text, with the key
"""

from __future__ import annotations

from typing import cast

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ledger import KeyRefused, parse_did_key
from symphony.core.events import as_json
from symphony.core.ids import NODE_ID_BYTES, TASK_ID_BYTES
from symphony.core.receipts.bundle import receipt_digest
from symphony.gateway import limits
from symphony.gateway.body import read_model
from symphony.gateway.faults import Refused
from symphony.gateway.metrics import Metrics
from symphony.gateway.port import InviteScope, NodePort
from symphony.gateway.task_api import hex_of
from symphony.gateway.task_models import InviteBody

_DIGEST_BYTES = 32


class NodeApi:
    """The handlers of everything that is not a task and not a completion."""

    def __init__(self, port: NodePort, metrics: Metrics) -> None:
        self._port = port
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [
            Route("/api/status", self.status, methods=["GET"]),
            Route("/api/peers", self.peers, methods=["GET"]),
            Route("/api/agents", self.agents, methods=["GET"]),
            Route("/api/ledger", self.ledger, methods=["GET"]),
            Route("/api/receipts/{ref}", self.receipt, methods=["GET"]),
            Route("/api/invites", self.invite, methods=["POST"]),
            Route("/healthz", self.health, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def status(self, _: Request) -> Response:
        load = await self._port.load()
        return JSONResponse({**as_json(self._port.status()), **as_json(load)})

    async def peers(self, _: Request) -> Response:
        return JSONResponse({"peers": as_json(self._port.peers())})

    async def agents(self, _: Request) -> Response:
        return JSONResponse({"agents": as_json(self._port.agents())})

    async def ledger(self, request: Request) -> Response:
        author = request.query_params.get("author")
        key = None if author is None else key_of(author)
        limit = number(request, "limit", limits.LEDGER_PAGE, 1, limits.MAX_LEDGER_PAGE)
        after = number(request, "after", 0, 0, 2**53)
        entries = await self._port.ledger(author=key, limit=limit, after=after)
        following = entries[-1].position if len(entries) == limit else None
        return JSONResponse({"entries": as_json(entries), "next": following})

    async def receipt(self, request: Request) -> Response:
        ref = request.path_params["ref"]
        short = len(ref) == 2 * TASK_ID_BYTES
        size = TASK_ID_BYTES if short else _DIGEST_BYTES
        receipt = await self._port.receipt(hex_of(ref, size, "a receipt's digest"))
        if receipt is None:
            raise Refused(
                "no such receipt here",
                hint="the node that conducted the task keeps it; a running task has none yet",
                status=404,
            )
        digest = receipt_digest(receipt).hex()
        headers = {
            "Symphony-Receipt": digest,
            "Content-Disposition": f'attachment; filename="{digest[:16]}.receipt"',
        }
        return Response(receipt, 200, headers, "application/cbor")

    async def invite(self, request: Request) -> Response:
        asked, _ = await read_model(request, InviteBody)
        invite = await self._port.invite(asked.minutes, cast("InviteScope", asked.scope))
        return JSONResponse(as_json(invite), 201, {"Cache-Control": "no-store"})

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(self, _: Request) -> Response:
        load = await self._port.load()
        return Response(self._metrics.render(load), media_type=CONTENT_TYPE_LATEST)


def key_of(text: str) -> bytes:
    """A node's public key from its `did:key` or from hexadecimal digits. Raises `Refused`."""
    if not text.startswith("did:"):
        return hex_of(text, NODE_ID_BYTES, "an author, unless it is a did:key,")
    try:
        return parse_did_key(text)
    except KeyRefused as error:
        raise Refused(str(error), param="author") from None


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query. Raises `Refused` outside `least` to `most`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    value = int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else -1
    if not least <= value <= most:
        raise Refused(f"{name} is a number from {least} to {most}", param=name)
    return value
