"""`symphony ledger rebuild`: make anew what the database derives from its entries.

What a node knows of agents, forks and successions lives in memory and is read from the entries
at each start; nothing on disk can be wrong about it. Two tables are derived and kept: the Merkle
frontiers, which `ledger verify` checks, and the times at which bodies expire.
"""

from __future__ import annotations

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import out, out_json


def rebuild(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Derive the tables beside the entries anew from these. The node must not be running."""
    from ledger.sqlite import SqliteStore, lock_directory
    from symphony.cli.ledger import LEDGER_NAME
    from symphony.errors import ConfigError
    from symphony.identity import read_swarm

    root = home_of(home)
    swarm = read_swarm(root)
    if swarm is None or not (root / LEDGER_NAME).exists():
        raise ConfigError(f"{root}: no ledger here", hint="it is made by: symphony join")
    with lock_directory(root):
        store = SqliteStore.open(root / LEDGER_NAME, swarm.swarm_id)
        try:
            made = store.rebuild()
        finally:
            store.close()
    if as_json:
        out_json({"frontiers": made.frontiers, "expiries": made.expiries})
    else:
        out(f"{made.frontiers} trees and the expiry of {made.expiries} bodies, made anew")
