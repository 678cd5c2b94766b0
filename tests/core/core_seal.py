"""A node that conducted a task on its own, a store for it, and witnesses of its log."""

from dataclasses import replace
from typing import Any

import pytest
from core_stage import SWARM, Peer, Stage, capability

from ledger import Entry, Kind, MemoryStore, encode_cosign, parse_checkpoint
from symphony.core import limits
from symphony.core.effects import Append, CancelWork, HashLog, KeepReceipt, StartWork
from symphony.core.inputs import Heard, LogHashed, SealWanted
from symphony.core.messages import Entries
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.core.receipts.sealing import Sealer
from symphony.errors import ReceiptInvalid


class Conductor:
    """A node that conducted one task on its own, its store, and some witnesses."""

    def __init__(
        self, *, chains=1, rule="auto", witnesses="ada bob cid", keys=None, before=0
    ) -> None:
        self.stage = Stage(capability(), keys=keys)
        self.witnesses = {name: Peer(name, self.stage.keys) for name in witnesses.split()}
        self.disk_calls = 0
        for number in range(before):
            self.stage.swarm.journal.write(Kind.TASK, b"earlier %d" % number)
        self.stage.submit(chains=chains, rule=rule)
        while not self.stage.of(KeepReceipt):
            ended = self.stage.finished | {(e.unit, e.epoch) for e in self.stage.of(CancelWork)}
            if all((e.unit, e.epoch) in ended for e in self.stage.of(StartWork)):
                self.stage.wait(limits.CALL_BACKOFF_MS)  # the agent's queue was full
            else:
                self.stage.finish("Answer: 42")
        self.receipt = self.stage.of(KeepReceipt)[0].receipt
        self.store = MemoryStore(SWARM)
        self.sealer = Sealer(self.store, self.disk)

    def disk(self, work):
        self.disk_calls += 1
        self.keep()
        return work()

    def keep(self):
        """Store what was written; the stage forgets what came before its first line."""
        entries = [entry for effect in self.stage.of(Append) for entry in effect.entries]
        listings = [listing.entry for listing in self.stage.swarm.directory]
        first = [e for e in listings if e.author == self.stage.me and e.seq == 1]
        self.store.append([*first, *entries])

    def checkpoint(self) -> Entry:
        """Somebody fetched a receipt: the log is sealed."""
        self.stage.give(SealWanted())
        self.stage.wait(limits.SEAL_AGAIN_MS)
        asked = self.stage.of(HashLog)[-1]
        self.keep()
        root = self.store.frontier(asked.author, asked.size).root()
        self.stage.give(LogHashed(asked.author, asked.size, root))
        return self.stage.entries(Kind.CHECKPOINT)[-1]

    def cosign(self, name, checkpoint) -> Entry:
        peer = self.witnesses[name]
        entry = peer.entry(Kind.COSIGN, encode_cosign([parse_checkpoint(checkpoint)]))
        self.stage.give(Heard(peer.id, Entries((entry.encode(),))))
        return entry

    def sealed(self):
        """The receipt with a checkpoint that all witnesses saw."""
        checkpoint = self.checkpoint()
        for name in self.witnesses:
            self.cosign(name, checkpoint)
        data, count = self.sealer.complete(self.receipt)
        assert count == min(limits.WITNESSES, len(self.witnesses))
        return data

    def verified(self, data):
        return verify_receipt(data, verify=self.stage.keys.verify)

    def refusal(self, data) -> str:
        with pytest.raises(ReceiptInvalid) as caught:
            self.verified(data)
        return caught.value.message

    def forged(self, data, **changes: Any) -> str:
        """Why a receipt with this changed in its seal is refused."""
        receipt = RECEIPT.decode(data)
        return self.refusal(RECEIPT.encode(replace(receipt, seal=replace(receipt.seal, **changes))))
