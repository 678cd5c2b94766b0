"""Every error of the ledger, in one tree, by whose fault it is.

    LedgerError
    ├── DecodeError          the sender: these bytes are not strict deterministic CBOR
    ├── InvalidEntry         the author or a relay: well-formed, but breaks a rule of the format
    ├── KeyRefused           the key's owner: not a public key that can be trusted to sign
    ├── ForkDetected         the author: two different entries with one sequence number
    └── StoreError           this machine: the database cannot be read or written
        ├── DirectoryLocked  another process uses the data directory
        ├── SchemaTooNew     a newer version of this program wrote the database
        └── WrongSwarm       the database belongs to another swarm

`hint` is the next step a person can take. Values that a *caller* gets wrong (a float to encode,
an hlc that does not grow in `seal`) raise `TypeError` or `ValueError`: they are bugs, not events.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an entry is refused, as a word for counters, scores and events."""

    MALFORMED = "malformed"
    OVERSIZE = "oversize"
    BAD_SIGNATURE = "bad_signature"
    BAD_BODY = "bad_body"
    NO_BODY = "no_body"
    BAD_CHAIN = "bad_chain"
    BAD_CLOCK = "bad_clock"
    BAD_PROOF = "bad_proof"
    FROZEN = "frozen"
    RETIRED = "retired"
    BAD_SUCCESSION = "bad_succession"
    TOO_SOON = "too_soon"
    AUTHOR_LIMIT = "author_limit"
    RATE_LIMIT = "rate_limit"


class LedgerError(Exception):
    """Root of the tree. `message` says what happened, `hint` what to do next."""

    default_hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class DecodeError(LedgerError):
    """The bytes are not the one deterministic encoding of an allowed value."""

    default_hint = "the sender is broken or speaks another version; drop the message"


class InvalidEntry(LedgerError):
    """An entry or proof that decodes but breaks a rule; `reason` says which."""

    default_hint = "do not store or forward it"

    def __init__(self, message: str, *, reason: Reason = Reason.MALFORMED, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class KeyRefused(LedgerError):
    """Not a canonical Ed25519 public key, or one under which anybody can sign."""

    default_hint = "its owner must make a new key"


class ForkDetected(LedgerError):
    """One author signed two different entries with the same sequence number."""

    default_hint = "the log is frozen before that number; its author goes on under a new key"


class StoreError(LedgerError):
    """The database cannot be opened, read or written."""

    default_hint = "check the disk's space and health, then verify the ledger"


class DirectoryLocked(StoreError):
    """Another process holds the data directory; `pid` is its process id, 0 when unknown."""

    default_hint = "stop that process, or use another data directory"

    def __init__(self, message: str, *, pid: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class SchemaTooNew(StoreError):
    """The database was written by a newer version of this program."""

    default_hint = "upgrade this program; it does not rewrite newer databases"


class WrongSwarm(StoreError):
    """The database belongs to another swarm than the one asked for."""

    default_hint = "use one data directory per swarm"
