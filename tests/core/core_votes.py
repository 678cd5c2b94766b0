"""A conductor with nine solvers around it, and with evidence on them: votes that mean something."""

from dataclasses import dataclass
from typing import Any

from core_stage import Stage, capability

from ledger import Kind, parse_entry
from symphony.core.effects import KeepReceipt, Send
from symphony.core.inputs import Heard
from symphony.core.messages import Beacon, Bids, Entries, Stop, Work
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.core.records import PROBE, VERDICT, ProbeOutcome, ProbeRecord

NINE = "ada bob cid dan eva fay gus hal ida"


@dataclass(frozen=True)
class Told:
    """What a prober says: of this peer's solver, so many right and wrong answers."""

    about: str
    right: int
    wrong: int


class Panel:
    """Nine peers that bid for every unit; each answers with its own text."""

    def __init__(self, names: str = NINE, keys: Any = None) -> None:
        self.stage = Stage(peers=names, keys=keys)
        self.names = names.split()
        self.served: set[tuple[bytes, int]] = set()

    def probed(self, prober: str, *told: Told) -> Any:
        """One probe entry in the log of `prober`."""
        outcomes = tuple(
            ProbeOutcome(self.stage.peers[t.about].id, "solver", "math", bytes(32), at < t.right)
            for t in told
            for at in range(t.right + t.wrong)
        )
        peer = self.stage.peers[prober]
        entry = peer.entry(Kind.PROBE, PROBE.encode(ProbeRecord(outcomes)), self.stage.now_ms)
        self.stage.give(Heard(peer.id, Entries((entry.encode(),))))
        return entry

    def bid(self, *, only: str = NINE) -> None:
        """Everybody named in `only` bids for what it was asked for, the others say no."""
        for name in self.names:
            peer = self.stage.peers[name]
            for beacon in self.stage.sent(name, Beacon):
                offer = peer.bids(beacon, self.stage.capabilities[name], free=1)
                no = Bids(beacon.beacon, ())
                self.stage.heard(name, offer if name in only.split() else no)

    def works(self) -> list[tuple[str, Work]]:
        """The work that is out, in the order in which it was handed out."""
        found = []
        stopped = {
            (e.message.unit, e.message.epoch)
            for e in self.stage.of(Send)
            if isinstance(e.message, Stop)
        }
        for effect in self.stage.of(Send):
            work = effect.message
            if isinstance(work, Work):
                key = (work.unit, work.epoch)
                if key not in self.served | stopped:
                    found.append((self.stage.name(effect.peer), work))
        return found

    def answer(self, name: str, work: Work, text: str, **changes: Any) -> None:
        """The owner hands over its result."""
        self.served.add((work.unit, work.epoch))
        self.stage.now_ms += 1
        award = parse_entry(work.entry).id
        peer = self.stage.peers[name]
        done = peer.result(work, text, award=award, now_ms=self.stage.now_ms, **changes)
        self.stage.heard(name, done)

    def run(self, answers: dict[str, str], otherwise: str = "41", **spec: Any) -> bytes:
        """A whole task: who is named gives that answer. Returns the receipt."""
        self.stage.submit(rule=spec.pop("rule", "reliability"), **spec)
        while not self.stage.of(KeepReceipt):
            self.bid()
            out = self.works()
            assert out, "nobody works, and the task is not over"
            name, work = out[0]
            self.answer(name, work, f"Answer: {answers.get(name, otherwise)}")
        return self.stage.of(KeepReceipt)[-1].receipt

    def verified(self, data: bytes) -> Any:
        return verify_receipt(data, verify=self.stage.keys.verify)


def verdict_of(data: bytes) -> Any:
    """The verdict's record in a receipt."""
    return VERDICT.decode(parse_entry(RECEIPT.decode(data).entries[-1]).body or b"")


def witnessed(keys: Any = None, **spec: Any) -> tuple[Panel, bytes]:
    """Nine ballots under `reliability`: six weak agents agree on 41, two strong ones on 42."""
    panel = Panel(keys=keys)
    strong = {"ada", "bob"}
    for prober in ("hal", "ida"):
        told = [Told(n, 15 if n in strong else 3, 1 if n in strong else 12) for n in panel.names]
        for at in range(0, len(told), 2):
            panel.probed(prober, *told[at : at + 2])
    receipt = panel.run(dict.fromkeys(strong, "42"), chains=9, **spec)
    return panel, receipt


__all__ = ["NINE", "Panel", "Told", "capability", "verdict_of", "witnessed"]
