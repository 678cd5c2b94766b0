"""What the tests of both stores share."""

from __future__ import annotations

import pytest
from ledger_chains import SWARM

from ledger.memory import MemoryStore
from ledger.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    """An empty store of either make: they must not be told apart."""
    made = (
        MemoryStore(SWARM)
        if request.param == "memory"
        else SqliteStore.open(tmp_path / "ledger.db", SWARM)
    )
    yield made
    made.close()
