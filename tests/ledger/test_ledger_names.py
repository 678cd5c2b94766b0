"""The public names: a change here is a change of the interface, and must be meant."""

from __future__ import annotations

import ast
from pathlib import Path

import ledger
import ledger.errors
import ledger.sqlite

PUBLIC = """
Checkpoint Frontier Sealed Tree encode_cosign may_cosign parse_checkpoint parse_cosign
verify_sealed witnesses
Begun Horizon encode_horizon parse_horizon verify_horizon
Adopt Retire Succession commit encode_pledge encode_retire
Accepted Admission Book DecodeError DirectoryLocked Duplicate Encodable Entry ForkDetected
ForkProof Forked Head Header Held HybridClock Initiator InvalidEntry Key KeyRefused Kind LedgerError
Limits MemoryStore Observed Pending PrivateKey Problem Reason Refused SchemaTooNew Signer Store
StoreError Value Verifier Want WrongSwarm admit_public_key check_entry did_key dumps
encode_heads encode_wants heads_frame loads pack parse_did_key parse_entry parse_heads
parse_peer_id parse_proof parse_wants peer_id physical_ms respond seal suspects verify verify_proof
wants
"""


def exported(module) -> set[str]:
    """The names that a module re-exports as `X as X`."""
    tree = ast.parse(Path(module.__file__).read_text())
    return {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname
    }


def test_the_list_of_public_names():
    assert exported(ledger) == set(PUBLIC.split())
    assert all(hasattr(ledger, name) for name in PUBLIC.split())
    assert exported(ledger.sqlite) == {"DirectoryLock", "SqliteStore", "lock_directory"}


def test_every_error_says_what_to_do_next():
    errors = [
        value
        for value in vars(ledger.errors).values()
        if isinstance(value, type) and issubclass(value, ledger.LedgerError)
    ]
    assert len(errors) == 9
    for error in errors:
        if error is not ledger.LedgerError:
            assert error("what").hint
            assert str(error("what")).startswith("what (")
        assert error("what", hint="next").hint == "next"


def test_the_pure_part_does_not_load_the_database():
    import subprocess
    import sys

    code = "import sys, ledger; sys.exit('sqlite3' in sys.modules or 'trio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
