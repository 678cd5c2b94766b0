"""The pages in `docs/` say what the code says: words, fields, contexts, kinds."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from ledger import Kind
from symphony.core import messages, records
from symphony.core.events import TaskEnded
from symphony.core.logs import inclusion
from symphony.core.peers import admission, genesis, invite
from symphony.core.receipts import receipt
from symphony.core.votes import reputation
from symphony.net.events import Channel
from symphony.net.hello import PROTOCOL

REPO = Path(__file__).parents[1]
PROTOCOL_PAGE = (REPO / "docs/protocol.md").read_text() + (REPO / "docs/receipt.md").read_text()
GLOSSARY = (REPO / "docs/glossary.md").read_text()
ROOMS = (records, receipt, inclusion, genesis, invite, admission, messages, reputation)

_TABLE = re.compile(r"^### `(\w+)`\n\n((?:\|.*\n)+)", re.MULTILINE)
TABLES: dict[str, str] = dict(_TABLE.findall(PROTOCOL_PAGE))
_SIGNED = re.compile(r'(?:\bsign|\bsigned_bytes)\(\s*"([a-z-]+)"')
_SALTED = re.compile(r'\bsalted_digest\(\s*"([a-z-]+)"')


def first_column(rows: str) -> list[str]:
    """The code words in the first column of a table, without its head."""
    cells = [row.split("|")[1] for row in rows.strip().splitlines()[2:]]
    return [word for cell in cells for word in re.findall(r"`([\w-]+)`", cell)]


def sources() -> str:
    files = [path for room in ("symphony", "ledger") for path in (REPO / room).rglob("*.py")]
    assert len(files) > 50
    return "\n".join(path.read_text() for path in files)


@pytest.mark.parametrize("name", TABLES)
def test_the_fields_of_records(name: str) -> None:
    found = [getattr(room, name) for room in ROOMS if hasattr(room, name)]
    assert found, f"no record is called {name}"
    fields = [field.name for field in dataclasses.fields(found[0])]
    assert sorted(first_column(TABLES[name])) == sorted(fields)


def test_every_record_of_the_ledger_is_described() -> None:
    bodies = {
        name
        for name, value in vars(records).items()
        if dataclasses.is_dataclass(value) and name.endswith("Record")
    }
    described = bodies | {
        "Capability",
        "SelfTest",
        "Award",
        "Candidate",
        "Ballot",
        "Awaited",
        "ProbeOutcome",
        "Standing",
        "Receipt",
        "OpenedText",
        "Seal",
    }
    assert described <= TABLES.keys()


def test_the_messages() -> None:
    rows = PROTOCOL_PAGE.split("| message | from", 1)[1].split("\n\n", 1)[0]
    listed = first_column("|\n" + rows)
    tags = {
        field.default
        for kind in get_args(messages.Message)
        for field in dataclasses.fields(kind)
        if field.name == "type"
    }
    assert set(listed) == tags


def test_the_contexts_of_signatures_and_digests() -> None:
    code = sources()
    rows = PROTOCOL_PAGE.split("| context |", 1)[1].split("\n\n", 1)[0]
    assert set(first_column("|\n" + rows)) == {*_SIGNED.findall(code), "entry"}
    sentence = re.search(r"The\s+contexts are ((?:`\w+`[, and]*)+)", PROTOCOL_PAGE)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) == set(_SALTED.findall(code))


def test_kinds_formats_and_protocols() -> None:
    for kind in ("CAPABILITY", "TASK", "AWARD", "RESULT", "VERDICT", "PROBE", "REVOKE"):
        assert f"{Kind[kind].value} {kind.lower()}" in PROTOCOL_PAGE
    assert f"`{receipt.FORMAT}`" in PROTOCOL_PAGE
    for protocol in (PROTOCOL, *(channel.value for channel in Channel)):
        assert f"`{protocol}`" in PROTOCOL_PAGE


def test_the_outcomes() -> None:
    row = next(line for line in TABLES["VerdictRecord"].splitlines() if "`outcome`" in line)
    assert set(re.findall(r"`(\w+)`", row)) - {"outcome"} == set(records.Outcome.__args__)
    assert "phases_ms" in {field.name for field in dataclasses.fields(TaskEnded)}


WORDS = [row for row in GLOSSARY.splitlines() if row.startswith("| **")]


@pytest.mark.parametrize("row", WORDS, ids=lambda row: row.split("**")[1])
def test_every_word_is_in_the_code(row: str) -> None:
    path = row.rstrip(" |").rsplit("`", 2)[1]
    module, _, name = path.rpartition(".")
    home: ModuleType = importlib.import_module(module)
    assert hasattr(home, name)


def test_the_glossary_is_sorted_out() -> None:
    words = [word for row in WORDS for word in re.findall(r"\*\*([\w ]+)\*\*", row)]
    assert len(words) == len(set(words))
    assert {"swarm", "node", "beacon", "epoch", "ballot", "verdict", "receipt"} <= set(words)
