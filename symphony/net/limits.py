"""Every bound of the network room, with its reason. Importing this costs nothing.

Where a number is a guess it says so; where it was measured it says how.
"""

from __future__ import annotations

# -- sizes ---------------------------------------------------------------------------------

MAX_FRAME_BYTES = 256 * 1024
"""One direct or sync frame. Bigger things are asked for in pieces; libp2p itself loses gossip
messages over 1 MiB without a word, so both paths share this cap."""

FRAME_HEAD_BYTES = 4
"""A frame starts with its length, big-endian; the cap is checked before the body is read."""

MAX_GOSSIP_BYTES = MAX_FRAME_BYTES
"""One gossip message. 16 KiB costs 1.4 times a 512-byte one, so batching pays long before this."""

MAX_RPC_BYTES = MAX_GOSSIP_BYTES + 64 * 1024
"""One gossip packet: a message of the largest size, and room for signature and control."""

MAX_HELLO_BYTES = 8 * 1024
"""One frame of the hello: a proof of some 350 bytes, or 32 addresses of other peers."""

READ_BYTES = 64 * 1024
"""One read from a stream: a whole Yamux frame, since each read has a fixed cost."""

WRITE_BATCH_BYTES = 60 * 1024
"""Queued frames are joined up to this for one write: just under one Yamux and one Noise frame."""

MAX_ADDRESS_CHARS = 256
"""One multiaddr as text; a DNS name with transport and peer id stays under 200."""

MAX_ADDRESSES_PER_PEER = 8
"""Listen addresses that a peer may name for itself."""

MAX_SHARED_ADDRESSES = 24
"""Addresses of third peers told in a welcome: enough to join a mesh from one bootstrap node."""

# -- queues --------------------------------------------------------------------------------

OUTBOX_FRAMES = 1024
"""Frames waiting for one peer and channel. A peer that falls this far behind gets no more:
`send` answers False, and the caller decides."""

OUTBOX_BYTES = 4 * 1024 * 1024
"""Bytes waiting for one peer and channel: sixteen frames of the largest size."""

EVENT_QUEUE = 256
"""Events between the network and the node. When it is full the readers stop reading, the
stream's window closes, and the sender's outbox fills: back-pressure instead of loss. At worst
this holds 64 MiB (frames of the largest size); usually well under 1 MiB."""

GOSSIP_QUEUE = 2048
"""Messages from the gossip router to us and to each peer. Stock libp2p has 32 and then loses
silently; with 2048 nothing was lost up to 800 messages/s offered on two busy cores."""

SEEN_TTL_S = 120
"""How long a gossip message's id is remembered: several times the time that flooding takes."""

# -- peers ---------------------------------------------------------------------------------

MAX_PEERS = 64
"""Admitted peers. At 0.05 MB and 12 heartbeats/s of bookkeeping per connection this is a guess
that leaves a small machine room for its models; gossip reaches the rest of a larger swarm."""

TARGET_PEERS = 24
"""The node dials until it has this many. A small swarm becomes a full mesh, so that a bid
travels in one hop; in a larger one gossip needs 6 to 12."""

WANTED_S = 60
"""How long a peer that was asked for by name is dialled although there are enough: a few tries."""

MAX_WANTED = 64
"""Peers asked for by name and not connected yet: as many as could be admitted."""

QUARANTINE_CONNECTIONS = 64
"""Connections that are open but not admitted yet. More are refused at the door."""

QUARANTINE_S = 3.0
"""How long a connection may stay without an accepted hello. A hello takes 2 round trips."""

CONNECTIONS_PER_ADDRESS = 16
"""Inbound connections from one IP address. One household or office; loopback is exempt,
because many nodes on one machine is how people try a swarm."""

DENIAL_LINGER_S = 0.5
"""How long a refused peer may take to read why before the connection is cut."""

MAX_BANS = 4096
"""Banned peers remembered; the ban that ends soonest makes room."""

# -- time ----------------------------------------------------------------------------------

UPGRADE_S = 3
"""Noise and Yamux handshakes of an inbound connection: stock waits 10 s, and a thousand silent
connections then shut everybody else out for as long."""

STREAM_OPEN_S = 3
"""Naming the protocol of one new stream: one round trip."""

CLOSE_S = 2.0
"""Orderly shutdown of all connections; after that they are dropped."""

SIMULTANEOUS_S = 2.0
"""Two connections between the same peers younger than this were dialled at the same time."""

# -- dialling again ------------------------------------------------------------------------

BACKOFF_FIRST_S = 0.25
"""First retry of an address: a restarted node is back in about a second."""

BACKOFF_LAST_S = 30.0
"""Longest pause between retries of an address that does not answer."""

BACKOFF_DENIED_S = 300.0
"""Pause after a refusal by rule (wrong swarm, no invite): asking again soon changes nothing."""

REDIAL_PAUSE_S = 0.03
"""Pause of a dial whose connection went away without a word, as when both sides dialled."""

CONCURRENT_DIALS = 4
"""Dials in flight from the reconnect loop. A dial costs 5 to 10 ms of CPU."""

KNOWN_PEERS = 512
"""Peers in the address book; the one that was good longest ago makes room."""

KNOWN_ADDRESSES = 4
"""Addresses kept for one peer, most recently good first."""

BOOK_BYTES = 1024 * 1024
"""Largest address book file that is read: four times a full one."""

KNOWN_PORTS = 64
"""Listen addresses whose last port is remembered: as many as a node can be given."""

PORTS_BYTES = 32 * 1024
"""Largest file of them that is read: a full one has half of that, in long addresses."""

# -- streams -------------------------------------------------------------------------------

STREAMS_PER_CONNECTION = 24
"""Streams that one peer may hold open towards us. We use seven: hello, direct, sync, gossip,
identify, its push, ping."""

WINDOW_BYTES = 1024 * 1024
"""Largest receive window of one stream: four frames of the largest size in flight."""

STREAM_BUFFER_BYTES = 2 * WINDOW_BYTES
"""Unread bytes of one stream. A peer that keeps to its window can't reach this."""
