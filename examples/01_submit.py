"""Ask the swarm one question from ordinary, blocking code.

It needs a running node on this machine (`symphony join`), or SYMPHONY_URL and SYMPHONY_API_KEY.

    python examples/01_submit.py --type number "How many minutes are 3 hours?"
"""

from __future__ import annotations

import argparse

from symphony import Symphony


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default="How many minutes are 3 hours?")
    parser.add_argument("--chains", type=int, default=3, help="independent attempts, one vote each")
    parser.add_argument("--type", default="number", choices=["text", "number", "boolean"])
    arguments = parser.parse_args()

    with Symphony() as swarm:
        answer = swarm.tasks.run(
            arguments.question, chains=arguments.chains, answer_type=arguments.type
        )

    print(answer.text)
    for ballot in answer.ballots:
        share = ballot.weight / 1_000_000
        print(f"  chain {ballot.chain}: {ballot.answer!r}, weight {share:.3f}, by {ballot.model}")
    print(f"stopped because: {answer.stop}")
    if answer.receipt is not None:
        print(f"receipt: {answer.receipt.path or answer.receipt.digest}")


if __name__ == "__main__":
    main()
