"""What peers say about being there: the words behind `members`, `contact`, `go_between`
and `introducing`.

Like all messages they are spoken over a proven connection and forgotten (`messages`). A node is
*here* in a life of its own: its incarnation tells one life from the next, and is compared for
equality only, since a clock may be set back between two starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len

from symphony.core import limits
from symphony.core.wire import Count, Key, Millis

Address = Annotated[str, Len(1, 200)]
"""A multiaddr; what it means is the network's business."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A node that the speaker is connected to, and where that one says it can be dialled."""

    node: Key
    address: Address


@dataclass(frozen=True, slots=True)
class Presence:
    """I am here, where I can be dialled, my life number `incarnation`, and how busy I am; and a
    few others that I am connected to.
    """

    incarnation: Millis
    running: Count
    queued: Count
    slots: Count
    addresses: Annotated[tuple[Address, ...], Len(0, limits.ADDRESSES_TOLD)] = ()
    others: Annotated[tuple[Mention, ...], Len(0, limits.MENTIONS)] = ()
    type: Literal["presence"] = "presence"


@dataclass(frozen=True, slots=True)
class ContactAsked:
    """Do you hear from this node? It may be you; if not, ask it yourself. `number` is the
    asker's.
    """

    node: Key
    number: Count
    type: Literal["contact_asked"] = "contact_asked"


@dataclass(frozen=True, slots=True)
class ContactTold:
    """I heard from the node that you asked about just now, in this life of it; without
    `incarnation` I did not.
    """

    node: Key
    number: Count
    incarnation: Millis | None = None
    type: Literal["contact_told"] = "contact_told"


@dataclass(frozen=True, slots=True)
class Seek:
    """`seeker`, who can be dialled at these addresses, wants to be connected to these nodes. Tell
    them if you can, and if `hops` are left, a few of your peers.
    """

    nodes: Annotated[tuple[Key, ...], Len(1, limits.SOUGHT)]
    seeker: Key
    addresses: Annotated[tuple[Address, ...], Len(1, limits.ADDRESSES_TOLD)]
    number: Count
    hops: Annotated[int, Interval(ge=0, le=limits.SEEK_HOPS)]
    type: Literal["seek"] = "seek"


PeerWord = Presence | ContactAsked | ContactTold | Seek
"""What a node says of itself and of others as peers."""
