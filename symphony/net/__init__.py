"""The network: the only room that speaks libp2p.

Settings, events and topics are light. `open_network` and `Network` load libp2p (about a second
and 85 MB) when they are first asked for, so that the command line stays instant.
"""

from typing import TYPE_CHECKING

from symphony.net.events import Channel as Channel
from symphony.net.events import FrameSeen as FrameSeen
from symphony.net.events import GossipSeen as GossipSeen
from symphony.net.events import NetEvent as NetEvent
from symphony.net.events import PeerDown as PeerDown
from symphony.net.events import PeerInfo as PeerInfo
from symphony.net.events import PeerUp as PeerUp
from symphony.net.settings import NetSettings as NetSettings
from symphony.net.settings import Preset as Preset
from symphony.net.topics import Topics as Topics
from symphony.net.topics import topics as topics

if TYPE_CHECKING:
    from symphony.net.network import Network as Network
    from symphony.net.opening import open_network as open_network
else:
    from symphony.late import late

    _HOMES = {"Network": "symphony.net.network", "open_network": "symphony.net.opening"}
    __getattr__, __dir__ = late(__name__, _HOMES)
