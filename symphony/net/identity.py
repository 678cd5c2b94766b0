"""A node's 32-byte key as a libp2p peer id, and back, without importing libp2p.

A libp2p peer id of an Ed25519 key is its protobuf (`08 01 12 20` and 32 bytes) in an identity
multihash (`00 24`), in base 58. Keys of other kinds are hashed there and can't be recovered;
no node of ours has one, so such a peer is refused.
"""

from __future__ import annotations

from ledger.keys import PUBLIC_BYTES

_HEAD = bytes.fromhex("002408011220")


def to_peer_id_bytes(node_id: bytes) -> bytes:
    """The 38 bytes of the peer id of a public key."""
    return _HEAD + node_id


def from_peer_id_bytes(peer_id: bytes) -> bytes | None:
    """The public key inside a peer id, or None where it is not an Ed25519 key."""
    if len(peer_id) == len(_HEAD) + PUBLIC_BYTES and peer_id.startswith(_HEAD):
        return peer_id[len(_HEAD) :]
    return None
