"""The swarm through the official OpenAI client: a base URL and a key, nothing else changes.

It needs a running node on this machine (`symphony join`), or SYMPHONY_URL and SYMPHONY_API_KEY.
"""

from __future__ import annotations

import argparse

from openai import OpenAI

from symphony.client.locate import locate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default="How many minutes are 3 hours?")
    parser.add_argument("--model", default="symphony/vote-3", help="one of those listed first")
    arguments = parser.parse_args()

    gateway = locate()
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.api_key) as client:
        print("models:", ", ".join(model.id for model in client.models.list()))
        reply = client.chat.completions.with_raw_response.create(
            model=arguments.model,
            messages=[{"role": "user", "content": arguments.question}],
        )
        print(reply.parse().choices[0].message.content)
        receipt = reply.headers.get("symphony-receipt")
        print(f"receipt: {receipt or 'none: a single model answered, nobody voted'}")


if __name__ == "__main__":
    main()
