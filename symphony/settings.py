"""What can be set about a node, as typed tables: the one list that every layer is checked against.

Each field says what it is; those sentences are what the command line prints when a value does
not fit. `symphony.config` merges flags, environment and file into these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Interval, Len
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

MAX_ADDRESSES = 64  # as many bootstrap or listen addresses as anybody writes by hand
LAN_PORT = 4717  # unassigned; fixed, so that an invite's addresses survive a restart
GATEWAY_PORT = 4718

EngineKind = Literal["auto", "vllm", "llamacpp", "openai", "replay"]
Preset = Literal["local", "lan", "wan"]

_LISTEN: dict[str, tuple[str, ...]] = {
    "local": ("/ip4/127.0.0.1/tcp/0",),
    "lan": (f"/ip4/0.0.0.0/tcp/{LAN_PORT}",),
    "wan": (f"/ip4/0.0.0.0/tcp/{LAN_PORT}",),
}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class EngineSettings(_Table):
    """What overrides the engine named by the agents' manifests, for this machine."""

    kind: EngineKind = Field(default="auto", description="auto, vllm, llamacpp, openai or replay")
    url: str | None = Field(
        default=None, description="an OpenAI-compatible server; implies kind openai"
    )
    model: str | None = Field(default=None, description="the one model that every agent here uses")
    api_key: SecretStr | None = Field(
        default=None, description="the key of that server; sent to no other"
    )

    nodes_on_machine: Annotated[int, Interval(ge=1, le=64)] = Field(
        default=1, description="how many nodes share this machine's cores, this one included"
    )

    self_test_after_s: Annotated[float, Interval(ge=0, le=86_400)] = Field(
        default=60.0,
        description="idle seconds after which own model servers are measured; 0 never does",
    )

    @field_validator("url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return url


class GatewaySettings(_Table):
    """The local HTTP door of the node."""

    enabled: bool = Field(default=True, description="whether to open the gateway at all")
    host: str = Field(
        default="127.0.0.1", description="the address to bind; loopback unless you say so"
    )
    port: Annotated[int, Interval(ge=0, le=65535)] = Field(
        default=GATEWAY_PORT, description="the port; 0 takes any free one, as does a busy default"
    )


class LogSettings(_Table):
    """What the node says on stderr while it runs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="how much"
    )
    format: Literal["human", "json"] = Field(
        default="human", description="human text or JSON lines"
    )


class NodeSettings(_Table):
    """Everything `symphony.node.run_node` wants to know. Frozen; made by `load_settings`."""

    home: Path = Field(description="the data directory, mode 0700")
    preset: Preset = Field(default="local", description="local (loopback only), lan or wan")
    listen: Annotated[tuple[str, ...], Len(0, MAX_ADDRESSES)] = Field(
        default=(), description="libp2p addresses to listen on; empty: those of the preset"
    )
    peers: Annotated[tuple[str, ...], Len(0, MAX_ADDRESSES)] = Field(
        default=(), description="libp2p addresses (with /p2p/…) of nodes to join"
    )
    agents: Annotated[tuple[Path, ...], Len(0, MAX_ADDRESSES)] = Field(
        default=(), description="agent files or folders to host; empty: those shipped with Symphony"
    )
    invite: SecretStr | None = Field(default=None, description="the token that lets this node in")
    append_unasked: bool = Field(
        default=False,
        description="append to the own log though no peer confirms its end; a backup would fork",
    )
    probes_per_hour: Annotated[float, Interval(ge=0, le=3600)] = Field(
        default=0.5,
        description="questions with known answers asked of others, one a minute at most; 0: none",
    )
    engine: EngineSettings = EngineSettings()
    gateway: GatewaySettings = GatewaySettings()
    log: LogSettings = LogSettings()

    @field_validator("listen", "peers")
    @classmethod
    def _multiaddrs(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if not address.startswith("/"):
                raise ValueError(f"{address!r} is no libp2p address such as /ip4/10.0.0.7/tcp/4717")
        return addresses

    @property
    def listen_addresses(self) -> tuple[str, ...]:
        """What to listen on: the configured addresses, or those of the preset."""
        return self.listen or _LISTEN[self.preset]
