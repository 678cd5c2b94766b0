"""The vocabulary between the network and the node: four events, two channels, one peer record.

Peers are 32-byte Ed25519 public keys here; libp2p's own ids stay inside this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Channel(StrEnum):
    """A one-way mailbox of frames, named by its protocol id."""

    DIRECT = "/symphony/direct/1"
    SYNC = "/symphony/sync/1"


@dataclass(frozen=True, slots=True)
class PeerUp:
    """The peer was admitted in both directions. Nothing from it comes before this. `operator` is
    who runs it, as the founder vouched; empty if nobody did. An `observer` is not here to work.
    """

    peer: bytes
    address: str
    rtt_ms: int
    operator: str = ""
    observer: bool = False


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The peer is gone; `reason` is for people. Nothing from it comes after this."""

    peer: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class FrameSeen:
    """One whole frame from an admitted peer, in the order in which the peer sent it."""

    peer: bytes
    channel: Channel
    data: bytes


@dataclass(frozen=True, slots=True)
class GossipSeen:
    """One gossip message. `author` signed it; it may have come through others."""

    topic: str
    author: bytes
    data: bytes


NetEvent: TypeAlias = PeerUp | PeerDown | FrameSeen | GossipSeen


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """An admitted peer, as of now. `since_ms` is wall-clock milliseconds."""

    node_id: bytes
    address: str
    rtt_ms: int
    inbound: bool
    agent_version: str
    scope: str
    since_ms: int
