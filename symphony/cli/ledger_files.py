"""`symphony ledger export | import | stats`: the whole ledger as one file, and in numbers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from symphony.cli.ledger import LEDGER_NAME, PAGE, kind_name, opened
from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import out, out_json, table

if TYPE_CHECKING:
    from ledger import Admission, Book, Entry, ForkProof, Store

CHUNK_BYTES = 1 << 20


def export(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every entry and fork proof to one file: a CBOR sequence that anyone can check."""
    from ledger.sequence import heading
    from symphony.errors import UsageError

    if file.exists():
        raise UsageError(f"{file} is there already", hint="name a new file")
    entries = after = 0
    with opened(home_of(home)) as (store, swarm_id), file.open("xb") as sink:
        sink.write(heading(swarm_id))
        sink.writelines(horizon.entry.encode() for horizon in store.horizons())
        while page := store.entries(limit=PAGE, after=after):
            sink.writelines(entry.encode() for _, entry in page)
            entries += len(page)
            after = page[-1][0]
        proofs = store.forks()
        sink.writelines(proof.encode() for proof in proofs)
    report = {"entries": entries, "forks": len(proofs), "bytes": file.stat().st_size}
    if as_json:
        out_json(report)
    else:
        out(f"{entries} entries and {len(proofs)} fork proofs, {report['bytes']} bytes: {file}")


def take_in(
    file: Annotated[Path, typer.Argument(help="A file that `ledger export` wrote.", exists=True)],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check such a file item by item and store what holds. The node must not be running."""
    from ledger.errors import LedgerError
    from ledger.sqlite import SqliteStore, lock_directory
    from symphony.errors import ConfigError, LedgerInvalid
    from symphony.identity import has_identity, load_identity, read_swarm

    root = home_of(home)
    swarm = read_swarm(root)
    if swarm is None:
        raise ConfigError(f"{root}: no node lives here yet", hint="symphony init")
    with ExitStack() as stack:
        stack.enter_context(lock_directory(root))
        store = SqliteStore.open(root / LEDGER_NAME, swarm.swarm_id)
        stack.callback(store.close)
        source = stack.enter_context(file.open("rb"))
        me = load_identity(root).public if has_identity(root) else b""
        intake = Intake(store, swarm.swarm_id, me, root, swarm.genesis.anchors)
        try:
            intake.read(source)
        except LedgerError as error:
            intake.problems.append(f"item {intake.read_items + 1}: {error.message}")
    report = intake.report()
    if as_json:
        out_json(report)
    else:
        out(f"{report['added']} new entries, {report['known']} known, {report['forks']} forks")
    if intake.problems:
        raise LedgerInvalid(
            f"{len(intake.problems)} items do not hold; the first: {intake.problems[0]}",
            hint="what holds was taken in; export the file anew for the rest",
        )


@dataclass(slots=True)
class Intake:
    """An import under way. Own entries among what is taken in raise this node's mark."""

    store: Store
    swarm_id: bytes
    me: bytes
    home: Path
    anchors: dict[bytes, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    read_items: int = 0
    added: int = 0
    known: int = 0
    forks: int = 0

    def read(self, source: IO[bytes]) -> None:
        """Judge each item as if it had come from a stranger; store in batches."""
        from ledger import Book, Entry, verify
        from ledger.sequence import read_sequence
        from ledger.succession import remembered

        book = Book(self.swarm_id, verify, anchors=self.anchors)
        book.restore(self.store.heads(), self.store.forks())
        for entry in remembered(self.store):
            book.succession.note(entry)
        batch: list[Entry] = []
        try:
            for item in read_sequence(_chunks(source), self.swarm_id):
                self.read_items += 1
                if isinstance(item, Entry):
                    batch += self._admit(book, item, batch)
                elif book.freeze(item):
                    self._fork(item)
                else:
                    self.problems.append("a fork proof that is not signed by its author")
                if len(batch) >= PAGE:
                    self._keep(batch)
        finally:
            self._keep(batch)

    def _admit(self, book: Book, entry: Entry, batch: list[Entry]) -> tuple[Entry, ...]:
        """The entries that this one adds."""
        from ledger import Accepted, Begun, Duplicate, Forked, Kind, Pending, Refused

        book.vouch(entry.author)
        admission: Admission = book.admit(entry, time.time_ns() // 1_000_000, solicited=True)
        match admission:
            case Accepted(entries):
                self.added += len(entries)
                return entries
            case Duplicate(compare):
                self.known += 1
                self._keep(batch)
                stored = self.store.get(entry.author, entry.seq) if compare else None
                before = self.store.get(entry.author, entry.seq - 1) if stored else None
                head = before.head if before else None
                proof = book.conflicts(entry, stored, head=head) if stored else None
                if proof is not None:
                    self._fork(proof)
            case Forked(proof):
                self._keep(batch)
                self._fork(proof)
            case Begun(horizon):
                self._keep(batch)
                self.store.begin(horizon)
            case Pending() if entry.kind == Kind.HORIZON:
                pass  # its log is longer here than it need be; the entry comes again at its place
            case Refused(_, text):
                self.problems.append(f"entry {entry.seq} of {entry.author.hex()[:8]}: {text}")
            case _:
                name = entry.author.hex()[:8]
                self.problems.append(f"entry {entry.seq} of {name} comes too early")
        return ()

    def _fork(self, proof: ForkProof) -> None:
        self.forks += 1
        self.store.add_fork(proof)

    def _keep(self, batch: list[Entry]) -> None:
        from symphony.node.high_water import HighWater

        self.store.append(batch)
        own = [entry.seq for entry in batch if entry.author == self.me]
        if own:
            mark = HighWater(self.home)
            mark.raise_to(max(own))
            mark.close()
        batch.clear()

    def report(self) -> dict[str, object]:
        return {
            "ok": not self.problems,
            "read": self.read_items,
            "added": self.added,
            "known": self.known,
            "forks": self.forks,
            "problems": self.problems,
        }


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def stats(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Entries and bytes by kind, the number of logs, and the proven forks."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    after = 0
    root = home_of(home)
    with opened(root) as (store, _):
        while page := store.entries(limit=PAGE, after=after):
            for _, entry in page:
                name = kind_name(entry.kind)
                counts[name] += 1
                sizes[name] += len(entry.encode())
            after = page[-1][0]
        logs, forks = len(store.heads()), len(store.forks())
    if as_json:
        kinds = {name: {"entries": counts[name], "bytes": sizes[name]} for name in sorted(counts)}
        size = (root / LEDGER_NAME).stat().st_size
        out_json({"logs": logs, "forks": forks, "file_bytes": size, "kinds": kinds})
        return
    table(
        ("kind", "entries", "bytes"),
        ((name, count, sizes[name]) for name, count in counts.most_common()),
        empty="the ledger is empty",
    )
    out(f"{sum(counts.values())} entries in {logs} logs, {forks} proven forks")
