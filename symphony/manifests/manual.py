"""The manifest's manual, written from its schema, so that it can't say anything else.

`agents/README.md` is this text; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symphony.manifests.schema import agent_schema

_HEAD = """\
# Agents

An agent is a folder with three files: `agent.yaml` says what it is, `prompt.md` is its system
prompt, `probes.jsonl` holds questions with known answers, which measure it. A node hosts the
agents in this folder unless it is given others: `symphony join --agents DIR`.

Check one with `symphony validate agents/solver`. Editors check it as you type, with
`agent.schema.json` (also printed by `symphony schema agent`). This page is written from that
schema: `symphony schema agent --markdown`.

```yaml
# yaml-language-server: $schema=../agent.schema.json
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {name: solver, labels: {tier: small}}
spec:
  skills:
    - name: math.arithmetic
      description: adds, multiplies, solves word problems step by step
  engine: {kind: auto, model: qwen2.5-coder-1.5b}
  roles: [solve]
  instructions: prompt.md
  sampling: {temperature: 0.7, max_tokens: 256}
  limits: {concurrency: 2, context_tokens: 2048, privacy: [swarm, open]}
  probes: probes.jsonl
```

The file is YAML 1.2. Unknown keys are refused, at every level; keys that begin with `x-` are
yours and are never looked at. Anchors, aliases, tags and keys that are no plain word are refused.

A probe is one JSON object a line: `prompt` and `answer`; `type` is `text` (default), `number`,
`boolean` (`"true"` or `"false"`) or `choice` (with `choices`); `skill` says which skill it is
about, by default the agent's first. Others are asked without it, as most users ask.
"""


def manual() -> str:
    """The page, in Markdown."""
    schema = agent_schema()
    parts = [_HEAD, "## Fields\n"]
    _tables(schema, "", schema, parts)
    return "\n".join(parts)


def _tables(table: Mapping[str, Any], path: str, root: Mapping[str, Any], out: list[str]) -> None:
    """One Markdown table for `table`, then one for each table in it."""
    out.append(f"### `{path or 'agent.yaml'}`\n")
    out.append(f"{table['description']}\n")
    out.append("| field | type | default | meaning |")
    out.append("|---|---|---|---|")
    required = table.get("required", ())
    inner: list[tuple[str, Mapping[str, Any]]] = []
    for name, field in table["properties"].items():
        target, many = _target(field, root)
        if target is not None:
            inner.append((f"{path}.{name}".lstrip(".") + ("[]" if many else ""), target))
        default = "required" if name in required else _default(field)
        kind = ("list of tables" if many else "table") if target is not None else _kind(field)
        meaning = field.get("description") or (target or {}).get("description", "")
        out.append(f"| `{name}` | {kind} | {default} | {meaning} |")
    out.append("")
    for inner_path, target in inner:
        _tables(target, inner_path, root, out)


def _target(
    field: Mapping[str, Any], root: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, bool]:
    """The table that a field holds, and whether it is a list of them."""
    many = field.get("type") == "array"
    reference = (field.get("items") or {}).get("$ref") if many else field.get("$ref")
    if reference is None:
        return None, many
    return root["$defs"][reference.rpartition("/")[2]], many


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    match value:
        case None | "" | [] | {}:
            return "-"
        case dict():
            return "see below"
        case list():
            return "`[" + ", ".join(str(item) for item in value) + "]`"
        case _:
            return f"`{value}`"


def _kind(field: Mapping[str, Any]) -> str:
    """The type in words, with its bounds."""
    if "anyOf" in field:
        return _kind(next(option for option in field["anyOf"] if option.get("type") != "null"))
    words = field.get("enum") or ([field["const"]] if "const" in field else None)
    if words:
        return ", ".join(f"`{word}`" for word in words)
    low = field.get("minimum", field.get("exclusiveMinimum"))
    if low is not None:
        return f"{field['type']}, {low} to {field['maximum']}"
    if field.get("type") == "array":
        return f"list: {_kind(field['items'])}"
    kind: str = field["type"]
    return {"string": "text", "object": "table of texts"}.get(kind, kind)
