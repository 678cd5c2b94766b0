"""Printing: JSON for programs, tables for people, never an escape sequence from a stranger.

Agents' names, models' outputs and error texts come from other machines. `visible` takes out
what a terminal would obey, and nothing printed here is read as markup.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_KEPT = frozenset("\n\t")
_WHOLE = frozenset(
    [
        "agent",
        "author",
        "chain",
        "engine",
        "id",
        "kind",
        "model",
        "node",
        "on",
        "seq",
        "state",
        "task",
    ],
)
"""Columns of names and ids: on a narrow terminal others wrap, so that these can be copied."""


def visible(text: object) -> str:
    """`text` without control and format characters, which could move the cursor or lie."""
    return "".join(
        char if char in _KEPT or unicodedata.category(char) not in ("Cc", "Cf", "Cs") else "\ufffd"
        for char in str(text)
    )


def out_json(value: Any) -> None:
    """One JSON document on one line: pretty-printing is `jq`'s work, and NDJSON needs lines.

    In ASCII: U+2028 in a model's output ends a line for some readers, and nothing in it can
    then reach a terminal as a command.
    """
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def out(text: object = "") -> None:
    """A line for people on stdout."""
    sys.stdout.write(visible(text) + "\n")


def note(text: object) -> None:
    """A remark on stderr."""
    sys.stderr.write(visible(text) + "\n")


def console(*, stderr: bool = False) -> Console:
    """A rich console that reads nothing as markup. Honours NO_COLOR, as rich does."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table on stdout, or the sentence `empty` when there are no rows."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    view = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        view.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        view.add_row(*(Text(visible(cell)) for cell in row))
    if view.row_count:
        console().print(view)
    else:
        out(empty)


def facts(values: Mapping[str, object]) -> None:
    """Name and value, one a line, aligned."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        out(f"{name:<{width}}  {shown}")


def counted(number: int, what: str) -> str:
    """`1 unit`, `2 units`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def short_node(node: str) -> str:
    """The one short name of a node, of its `did:key` or its key in hexadecimal: how the key begins
    in hexadecimal, as logs, events, receipts and the ledger show it.
    """
    from ledger.keys import parse_did_key

    return parse_did_key(node).hex()[:8] if node.startswith("did:key:") else node[:8]


def gigabytes(count: int) -> str:
    """Bytes as people say them."""
    return f"{count / 1e9:.1f} GB"


def duration(ms: int | None) -> str:
    """Milliseconds as a person reads them."""
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{ms} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
