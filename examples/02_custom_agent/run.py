"""Host the agent of this folder on a throw-away node, and ask it one question."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from symphony import Symphony
from symphony.testing.local_swarm import NodePlan, local_swarm

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", default="How many minutes are 4 hours?")
    parser.add_argument("--engine-url", help="an OpenAI-compatible server")
    parser.add_argument("--engine-model", help="the model's name there")
    arguments = parser.parse_args()

    settings = {"SYMPHONY_AGENTS": str(HERE), "SYMPHONY_LOG_LEVEL": "error"}
    if arguments.engine_url:
        settings["SYMPHONY_ENGINE_URL"] = arguments.engine_url
    if arguments.engine_model:
        settings["SYMPHONY_ENGINE_MODEL"] = arguments.engine_model

    with tempfile.TemporaryDirectory() as root:
        plan = NodePlan("converter", settings)
        with local_swarm(Path(root), [plan]) as (node,):
            for warning in node.ready["warnings"]:
                print(f"warning: {warning}")
            with Symphony(node.url, api_key=node.api_key) as swarm:
                answer = swarm.tasks.run(
                    arguments.question,
                    chains=3,
                    answer_type="number",
                    skill="converting units",
                )
    print(answer.text)
    for ballot in answer.ballots:
        share = ballot.weight / 1_000_000
        print(f"  chain {ballot.chain}: {ballot.answer!r}, match {share:.3f}, by {ballot.model}")


if __name__ == "__main__":
    main()
