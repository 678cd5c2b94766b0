"""Signatures of ephemera: beacons and bids, each under a prefix of its own.

What is signed in one place can't be read in another, because the context is part of the signed
bytes (`ledger.keys`).
"""

from __future__ import annotations

from dataclasses import replace

from ledger import Signer, Verifier
from symphony.core.ids import NodeId
from symphony.core.messages import Beacon, Bids, signed_bytes


class Notary:
    """Signs for this node and checks for all."""

    def __init__(self, signer: Signer, verify: Verifier) -> None:
        self._signer = signer
        self._verify = verify

    def sign_beacon(self, beacon: Beacon) -> Beacon:
        return replace(beacon, signature=self._signer.sign("beacon", signed_bytes(beacon)))

    def sign_bids(self, bids: Bids) -> Bids:
        return replace(bids, signature=self._signer.sign("bid", signed_bytes(bids)))

    def holds(self, signer: NodeId, message: Beacon | Bids) -> bool:
        """Did `signer` sign this message?"""
        if signer == self._signer.public:
            return True  # it never left this process
        context = "beacon" if isinstance(message, Beacon) else "bid"
        return self._verify(signer, context, signed_bytes(message), message.signature)
