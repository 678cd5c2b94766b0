"""The OpenAI-compatible surface: `/v1/models` and `/v1/chat/completions`.

Two kinds of model answer. `symphony/auto` (three chains), `symphony/vote-N` (N chains) and
`symphony/ranked` (three, and judges where they differ) are the swarm: the conversation becomes one
task (`chat_models.render_prompt`), the voted answer becomes the message (`swarm_chat`). Every model
that this node hosts is a pass-through (`model_chat`).
"""

from __future__ import annotations

import re
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from symphony.core import limits as core
from symphony.errors import ModelError
from symphony.gateway.body import read_model
from symphony.gateway.chat_models import ChatRequest, SwarmOptions
from symphony.gateway.faults import Refused
from symphony.gateway.model_chat import ModelChat
from symphony.gateway.port import NodePort
from symphony.gateway.submissions import Submissions
from symphony.gateway.swarm_chat import SwarmChat

AUTO_CHAINS = 3
LISTED_VOTES = (1, 3, 5, 7)  # every N up to the core's bound works; these are advertised

RANKED = "symphony/ranked"

_VOTE = re.compile(r"symphony/vote-([1-9][0-9]?)")


class OpenAiApi:
    """The handlers under `/v1`."""

    def __init__(self, port: NodePort, submissions: Submissions) -> None:
        self._port = port
        self._swarm = SwarmChat(port, submissions)
        self._models = ModelChat(port)
        self._since = int(time.time())

    def routes(self) -> list[Route]:
        return [
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/models/{model:path}", self.model, methods=["GET"]),
            Route("/v1/chat/completions", self.complete, methods=["POST"]),
        ]

    async def models(self, _: Request) -> Response:
        swarm = ["symphony/auto", RANKED, *(f"symphony/vote-{chains}" for chains in LISTED_VOTES)]
        hosted = {agent.model for agent in self._port.agents() if agent.local}
        named = [*swarm, *sorted(hosted)]
        return JSONResponse({"object": "list", "data": [self._card(name) for name in named]})

    async def model(self, request: Request) -> Response:
        name = request.path_params["model"]
        self._chains(name)
        return JSONResponse(self._card(name))

    async def complete(self, request: Request) -> Response:
        asked, body = await read_model(request, ChatRequest)
        chains = self._chains(asked.model)
        if chains is not None:
            if asked.model == RANKED:
                asked = _by_judges(asked)
            return await self._swarm.complete(request, asked, chains, body)
        if asked.symphony is not None:
            raise Refused(
                "`symphony` options need a swarm model",
                hint="ask symphony/auto, or leave them out",
                param="symphony",
            )
        return await self._models.complete(request, asked)

    def _chains(self, model: str) -> int | None:
        """How many chains a swarm model runs; None for a hosted one. Raises `ModelError`."""
        if model in ("symphony/auto", RANKED):
            return AUTO_CHAINS
        vote = _VOTE.fullmatch(model)
        if vote and int(vote[1]) <= core.MAX_CHAINS:
            return int(vote[1])
        if self._port.hosts(model):
            return None
        hint = "GET /v1/models lists them; symphony/auto always works"
        if model.startswith("symphony/vote-"):
            hint = f"the most chains that a task may have: symphony/vote-{core.MAX_CHAINS}"
        raise ModelError(f"no model {model!r} here", hint=hint)

    def _card(self, name: str) -> dict[str, str | int]:
        return {"id": name, "object": "model", "created": self._since, "owned_by": "symphony"}


def _by_judges(asked: ChatRequest) -> ChatRequest:
    """The same request under the rule `ranked`. Raises `Refused` if it names another one."""
    options = asked.symphony or SwarmOptions()
    if options.rule not in (None, "ranked"):
        raise Refused(f"{RANKED} and symphony.rule disagree", param="symphony")
    return asked.model_copy(update={"symphony": options.model_copy(update={"rule": "ranked"})})
