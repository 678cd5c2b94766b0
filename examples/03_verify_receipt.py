"""Check a receipt offline: no node, no network, no key, nothing but the file.

    python examples/03_verify_receipt.py out/demo.receipt

Exits 7, like `symphony receipt verify`, and names the first thing that does not hold.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from symphony import ReceiptInvalid
from symphony.core.receipts.receipt import verify_receipt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("receipt", type=Path, help="a receipt file")
    arguments = parser.parse_args()

    try:
        report = verify_receipt(arguments.receipt.read_bytes())
    except ReceiptInvalid as error:
        print(f"does not hold: {error}", file=sys.stderr)
        return ReceiptInvalid.exit_code

    print(f"question: {report.prompt}")
    print(f"answer:   {report.answer}   ({report.outcome}, by {report.rule})")
    for ballot in report.ballots:
        print(f"  chain {ballot.chain}: {ballot.answer!r}, weight {ballot.weight} ppm")
    print(f"checked {report.signatures} signed entries and {report.awards} elections")
    for sentence in report.proven:
        print(f"  proven:     {sentence}")
    for sentence in report.not_proven:
        print(f"  not proven: {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
