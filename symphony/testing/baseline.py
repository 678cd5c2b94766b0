"""The protocol's quality, compared with what it was.

A batch of seeds is a function of the code, so its numbers change only when the code does: no
machine is too slow for them. `baseline.json` holds those of the last time that somebody looked and
agreed. A number that is worse by more than its margin fails a test; the margins leave room for
other dice, which every change of the protocol throws.

    python -m symphony.testing.baseline tests/sim/baseline.json

runs the batch and writes the numbers anew, for a commit that says why.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from symphony.testing.batch import Summary, run_seed
from symphony.testing.wish import Wish

SEEDS = 60
MARGINS_PCT = {
    "messages_per_unit": 15,
    "bytes_per_unit": 20,
    "bids_per_unit": 20,
    "award_ms_p50": 25,
    "award_ms_p99": 60,
    "redundancy": 15,
}
"""How much larger each number may be. The slowest of a hundred awards depends on a few crashes."""


def numbers(summary: Summary) -> dict[str, float]:
    """What is compared, of a batch."""
    said = summary.as_json(0.0)
    return {name: float(str(said[name])) for name in MARGINS_PCT}


def regressions(base: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """What is worse by more than its margin."""
    return [
        f"{name}: {now[name]:g}, was {base[name]:g}, may be {margin} % more"
        for name, margin in MARGINS_PCT.items()
        if now[name] > base[name] * (100 + margin) / 100
    ]


def measure(seeds: int = SEEDS) -> Summary:
    """Run the batch, one seed after the other."""
    summary = Summary()
    for seed in range(seeds):
        summary.add(run_seed(Wish().draw(seed)))
    return summary


def main(path: Path) -> None:
    now = numbers(measure())
    if path.exists():
        for text in regressions(json.loads(path.read_text()), now):
            sys.stderr.write(text + "\n")
    path.write_text(json.dumps(now, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
