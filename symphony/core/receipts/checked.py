"""What of a receipt was found to hold so far: what each check leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from ledger import Entry
from symphony.core.ids import EntryId, NodeId, UnitId, salted_digest
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.records import Award, Capability, ResultRecord
from symphony.core.tasks.plan import Plan
from symphony.errors import ReceiptInvalid


def refuse(text: str) -> NoReturn:
    raise ReceiptInvalid(text, hint="ask the conductor of the task for the original file")


@dataclass(slots=True)
class Checked:
    """What of a receipt was found to hold so far."""

    salt: bytes
    prompt: str
    answer_schema: str = ""
    skill: str = DIRECT_SKILL
    """What direct steps are to be called for with."""
    awards: dict[tuple[UnitId, int], Award] = field(default_factory=dict)
    capabilities: dict[EntryId, tuple[NodeId, Capability]] = field(default_factory=dict)
    results: dict[EntryId, tuple[Entry, ResultRecord]] = field(default_factory=dict)
    texts: dict[str, tuple[EntryId, str, Award]] = field(default_factory=dict)
    plans: dict[int, Plan | None] = field(default_factory=dict)
    """By chain, as far as they were read; None where there is none that can be used."""
    salts: dict[str, bytes] = field(default_factory=dict)
    evidence: list[Entry] = field(default_factory=list)
    claimed_tokens: int = 0
    answers: dict[str, str | None] = field(default_factory=dict)
    """By step, as far as they were read; None where an output holds none."""
    vectors: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """By skill and encoder: the vector that it was first called for with."""
    passed: dict[tuple[UnitId, int], frozenset[bytes]] = field(default_factory=dict)
    """By award: who ranked before the winner and was avoided, without having had the unit."""

    def operator_of(self, capability: bytes) -> str:
        """Who runs the node of this agent, as its entry says; empty if it names nobody."""
        return self.capabilities[EntryId(capability)][1].operator or ""

    def class_digest(self, key: str) -> bytes:
        return salted_digest("answer", self.salt, key.encode())
