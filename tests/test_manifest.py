"""Manifests: what is refused, with file, line, field and next step; and what is shipped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from symphony.core.records import CAPABILITY
from symphony.engines.base import Description
from symphony.engines.catalog import find_model, lineage_of
from symphony.errors import ManifestError
from symphony.manifests import (
    agent_schema,
    capability,
    find_manifests,
    load_manifest,
    manual,
    secret,
    shipped_agents,
    skill_text,
)

GOOD = """\
apiVersion: symphony/v1alpha1
kind: Agent
x-team: {since: 2020-01-01}
metadata: {name: solver, labels: {tier: small, x-own: kept}}
spec:
  skills:
    - name: math.arithmetic
      description: "adds and multiplies"
  engine: {kind: auto, model: smollm2-135m, api_key: "${env:SOLVER_KEY}"}
  roles: [plan, solve]
  instructions: prompt.md
  sampling: {temperature: 0.7, max_tokens: 256}
  limits: {concurrency: 2, context_tokens: 2048, privacy: [swarm, open]}
  probes: probes.jsonl
"""
PROBE = '{"prompt": "1 + 1", "answer": "2", "type": "number"}\n'


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    folder = tmp_path / "solver"
    folder.mkdir()
    (folder / "agent.yaml").write_text(GOOD)
    (folder / "prompt.md").write_text("Solve it.\n")
    (folder / "probes.jsonl").write_text(PROBE)
    return folder


def test_a_good_manifest_is_read_whole(agent: Path) -> None:
    manifest = load_manifest(agent)
    assert manifest.name == "solver"
    assert manifest.instructions == "Solve it."
    assert manifest.labels == {"tier": "small", "x-own": "kept"}
    assert manifest.limits.privacy == ("swarm", "open")
    assert manifest.probes[0].skill == "math.arithmetic"
    assert load_manifest(agent / "agent.yaml") == manifest


REFUSED = {
    "unknown key": ("roles:", "rols:", 10, "spec.rols: unknown key", "did you mean 'roles'?"),
    "misspelt required key": (
        "instructions:", "instrucktions:", 11, "spec.instrucktions: unknown key", "'instructions'",
    ),
    "deep unknown key": (
        "max_tokens: 256", "max_token: 2", 12, "spec.sampling.max_token: unknown", "'max_tokens'",
    ),
    "bad word": ("kind: auto", "kind: autoo", 9, "spec.engine.kind: input should be", "vLLM"),
    "bad type": ("0.7", "hot", 12, "spec.sampling.temperature: input should be", "0 is greedy"),
    "number as text": ("2048", '"2048"', 13, "spec.limits.context_tokens", "engine's context"),
    "out of range": ("0.7", "2.5", 12, "less than or equal to 2", "greedy"),
    "infinity": ("0.7", ".inf", 12, "finite number", "greedy"),
    "twice": ("[plan, solve]", "[plan, plan]", 10, "'plan' stands there twice", "remove one"),
    "empty list": ("[plan, solve]", "[]", 10, "at least 1 item", "roles"),
    "bad name": ("name: solver", "name: So lver", 4, "metadata.name: string should match", "lower"),
    "duplicate key": ("kind: Agent", "kind: Agent\nkind: Agent", 3, "'kind' stands", "remove"),
    "missing": ("kind: Agent\n", "", 1, "kind: is missing", "describes"),
    "other version": ("v1alpha1", "v9", 1, "apiVersion: input should be", "version"),
    "alias": ("[swarm, open]", "&a [swarm, open]", 13, "anchors and aliases", "write the value"),
    "date": ("2048", "2020-01-01", 13, "a date is no value", "quote it"),
    "option": ("smollm2-135m", "--tool-parser-plugin=x.py", 9, "string should match", "with `-`"),
    "tag": ("model: smollm2-135m", "model: !!python/name:os.system x", 9, "with a tag", "without"),
    "broken": ("spec:", "spec: [[", 7, "is no YAML", "correct that line"),
    "two documents": ("kind: Agent", "kind: Agent\n---\nx: 1", 3, "is no YAML", "line"),
    "literal secret": ("${env:SOLVER_KEY}", "sk-123", 9, "must look like ${env:NAME}", "variable"),
    "env elsewhere": ("adds and multiplies", "${env:HOME}", 8, "is for secrets", "api_key"),
    "escape": ("prompt.md", "../prompt.md", 11, "leads out of the agent's folder", "beside"),
    "absolute": ("prompt.md", "/etc/passwd", 11, "leads out of the agent's folder", "beside"),
    "no file": ("probes.jsonl", "probe.jsonl", 14, "no such file", "create probe.jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_each_error_names_file_line_field_and_next_step(case: str, agent: Path) -> None:
    old, new, line, message, hint = REFUSED[case]
    assert old in GOOD
    (agent / "agent.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ManifestError) as caught:
        load_manifest(agent)
    assert f"{agent / 'agent.yaml'}:{line}: " in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "sk-123" not in str(caught.value)


@pytest.mark.parametrize("name", ["SYMPHONY_ENGINE_API_KEY", "symphony_engine_api_key"])
def test_a_manifest_cannot_name_the_key_of_the_machine(name: str, agent: Path) -> None:
    (agent / "agent.yaml").write_text(GOOD.replace("SOLVER_KEY", name))
    with pytest.raises(ManifestError, match=r"agent\.yaml:9: spec\.engine\.api_key: ") as caught:
        load_manifest(agent)
    assert "another variable" in caught.value.hint


def test_yaml_1_2_says_what_it_says(agent: Path) -> None:
    text = GOOD.replace("tier: small", 'answer: "no", time: "1:30", octal: "010"')
    (agent / "agent.yaml").write_text(text)
    labels = load_manifest(agent).labels
    assert labels["answer"] == "no"
    (agent / "agent.yaml").write_text(GOOD.replace("tier: small", "answer: no"))
    assert load_manifest(agent).labels["answer"] == "no"


LAUGHS = b"&a0 [x,x,x,x,x,x,x,x]" + b"".join(
    b",&a%d [%s]" % (at, b",".join([b"*a%d" % (at - 1)] * 8)) for at in range(1, 12)
)
UNREADABLE = {
    "hexadecimal": ("tier: small", "tier: 0x" + "f" * 5000, "can't be read as a whole number"),
    "nothing": ("tier: small", "tier: !!int ''", "can't be read as a whole number"),
    "perhaps": ("tier: small", "tier: !!bool maybe", "can't be read as true or false"),
    "half": ("tier: small", 'tier: "\\ud800"', "half of a character"),
    "tagged": ("tier: small", "tier: !!binary aGVsbG8=", "with a tag"),
    "a set": ("tier: small", "tier: !!set {a, b}", "with a tag"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_named_by_file_line_and_field(case: str, agent: Path) -> None:
    old, new, said = UNREADABLE[case]
    (agent / "agent.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ManifestError, match=r"agent\.yaml:4: metadata\.labels\.tier: ") as caught:
        load_manifest(agent)
    assert said in caught.value.message
    (agent / "agent.yaml").write_text(GOOD.replace("since: 2020-01-01", new))
    load_manifest(agent)  # keys that begin with x- are never looked at


@pytest.mark.parametrize(
    "line",
    [
        'api_key: "sk-live-123"\napi_key: "sk-live-456"',
        "api_key: *sk-live-123",
        "api_key: !!int sk-live-123",
        "api_key: !!float sk-live-123",
        "api_key: !sk-live-123 x",
        "api_key: &sk-live-123 x",
        "api_key: {sk-live-123 ",
    ],
)
def test_no_error_repeats_what_may_be_a_key(line: str, agent: Path) -> None:
    (agent / "agent.yaml").write_text(line + "\n")
    with pytest.raises(ManifestError) as caught:
        load_manifest(agent)
    assert "sk-live" not in str(caught.value)


def test_what_is_no_ordinary_file_is_refused_and_never_waited_for(agent: Path) -> None:
    prompt = agent / "prompt.md"
    prompt.unlink()
    prompt.symlink_to("prompt.md")
    with pytest.raises(ManifestError, match=r":11: spec\.instructions: .*(names no|read)"):
        load_manifest(agent)
    prompt.unlink()
    os.mkfifo(prompt)
    with pytest.raises(ManifestError, match=r":11: spec\.instructions: .*is no file"):
        load_manifest(agent)
    (agent / "agent.yaml").write_text(GOOD.replace("prompt.md", '"a\\0b"'))
    with pytest.raises(ManifestError, match=r":11: spec\.instructions: .*names no file"):
        load_manifest(agent)


def test_bombs_are_refused_by_size_depth_and_alias(agent: Path) -> None:
    path = agent / "agent.yaml"
    bombs: dict[str, Callable[[], bytes]] = {
        "larger than 32 KiB": lambda: b"#" * (32 * 1024 + 1),
        "nested too deeply|is no YAML": lambda: b"[" * 3000 + b"]" * 3000,
        "anchors and aliases": lambda: b"a: &a [x]\nb: [*a, *a]\n",
        ":1: anchors and": lambda: b"&a a: 1\n",
        ":2: a list or table is no key": lambda: b"a: 1\n? [" + LAUGHS + b"]\n: 1\n",
        ":1: a list or table is no key": lambda: b"? {a: 1}\n: 1\n",
        "is empty": lambda: b"",
        "not UTF-8": lambda: b"kind: \xff\n",
        "no table": lambda: b"- 1\n",
    }
    for said, make in bombs.items():
        path.write_bytes(make())
        with pytest.raises(ManifestError, match=said):
            load_manifest(agent)


def test_a_link_out_of_the_folder_is_refused(agent: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("secret")
    (agent / "prompt.md").unlink()
    (agent / "prompt.md").symlink_to(tmp_path / "outside.md")
    with pytest.raises(ManifestError, match="leads out"):
        load_manifest(agent)


def test_prompts_have_a_size_and_some_text(agent: Path) -> None:
    (agent / "prompt.md").write_text("x" * (16 * 1024))
    assert len(load_manifest(agent).instructions) == 16 * 1024
    (agent / "prompt.md").write_text("x" * (16 * 1024 + 1))
    with pytest.raises(ManifestError, match="larger than 16 KiB"):
        load_manifest(agent)
    (agent / "prompt.md").write_text(" \n")
    with pytest.raises(ManifestError, match="is empty"):
        load_manifest(agent)


PROBES_REFUSED = {
    '{"prompt": "q", "answer": "x", "type": "number"}': "'x' is no number",
    '{"prompt": "q", "answer": "yes", "type": "boolean"}': '"true" or "false"',
    '{"prompt": "q", "answer": "c", "type": "choice", "choices": ["a"]}': "none of the choices",
    '{"prompt": "q", "answer": "a", "choices": ["a"]}': 'need "type": "choice"',
    '{"prompt": "q", "anser": "x"}': "unknown key 'anser'",
    '{"prompt": "q", "answer": 4}': "answer: Input should be a valid string",
    '{"prompt": "q", "answer": "x", "skill": "math.aritmetic"}': "no skill 'math.aritmetic'",
    "{": "Invalid JSON",
    PROBE.strip(): "the same question as on line 1",
}


@pytest.mark.parametrize("line", PROBES_REFUSED)
def test_a_bad_probe_is_refused_by_line(line: str, agent: Path) -> None:
    (agent / "probes.jsonl").write_text(PROBE + line + "\n")
    with pytest.raises(ManifestError) as caught:
        load_manifest(agent)
    assert f"{agent / 'probes.jsonl'}:2: " in caught.value.message
    assert PROBES_REFUSED[line] in caught.value.message
    assert caught.value.hint


def test_the_digest_covers_all_three_files(agent: Path) -> None:
    digests = {load_manifest(agent).digest}
    for name in ("agent.yaml", "prompt.md", "probes.jsonl"):
        path = agent / name
        path.write_text(path.read_text() + "\n")
        digests.add(load_manifest(agent).digest)
    assert len(digests) == 4


def test_secrets_are_only_named(agent: Path) -> None:
    manifest = load_manifest(agent)
    assert secret(manifest, {"SOLVER_KEY": "hunter2"}) == "hunter2"
    assert "hunter2" not in repr(manifest)
    with pytest.raises(ManifestError, match="SOLVER_KEY is not set") as caught:
        secret(manifest, {})
    assert "export SOLVER_KEY" in caught.value.hint


def test_the_capability_takes_the_smaller_limits(agent: Path) -> None:
    manifest = load_manifest(agent)
    engine = Description("llamacpp", "smollm2-135m", "smollm2", 1024, 4)
    text = skill_text(manifest.skills[0])
    record = capability(manifest, engine, {text: bytes(384)}, "minilm/1")
    assert (record.context_tokens, record.concurrency) == (1024, 2)
    assert record.skills[0].vector == bytes(384)
    assert record.encoder == "minilm/1"
    assert record.manifest == manifest.digest
    assert CAPABILITY.decode(CAPABILITY.encode(record)) == record
    bare = capability(manifest, engine, {}, "minilm/1")
    assert bare.encoder is None
    assert bare.skills[0].vector is None


def test_agents_are_found_in_files_and_folders(agent: Path, tmp_path: Path) -> None:
    for place in (agent, agent / "agent.yaml", tmp_path):
        assert [found.name for found in find_manifests([place])] == ["solver"]
    assert len(find_manifests([agent, tmp_path])) == 1
    with pytest.raises(ManifestError, match="no such file or folder"):
        find_manifests([tmp_path / "nothing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match=r"no agent\.yaml in it"):
        find_manifests([tmp_path / "empty"])


def test_two_agents_of_one_name_are_refused(agent: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    twin.mkdir()
    for file in agent.iterdir():
        (twin / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ManifestError, match="is also the name of"):
        find_manifests([tmp_path])


def test_a_node_hosts_a_bounded_number(agent: Path, tmp_path: Path) -> None:
    for number in range(17):
        folder = tmp_path / f"n{number}"
        folder.mkdir()
        for file in agent.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ManifestError, match="a node hosts at most 16"):
        find_manifests([tmp_path])


def test_the_shipped_agents_are_useful() -> None:
    shipped = find_manifests()
    assert len(shipped) >= 9
    assert [agent.name for agent in shipped if agent.tools] == ["calculator"]
    assert {role for agent in shipped for role in agent.roles} == {"plan", "solve", "judge"}
    assert len({lineage_of(agent.engine.model) for agent in shipped}) >= 2
    for agent in shipped:
        assert find_model(agent.engine.model).purpose == "chat"
        assert len(agent.probes) >= 6, agent.name
        assert len(agent.instructions) <= 1000, "small models forget the start of long prompts"
        assert agent.path.parent.name == agent.name


def test_the_published_schema_and_manual_are_the_code(agent: Path) -> None:
    folder = shipped_agents()
    assert json.loads((folder / "agent.schema.json").read_text()) == agent_schema()
    assert (folder / "README.md").read_text() == manual()
    example = manual().split("```yaml\n")[1].split("```")[0]
    (agent / "agent.yaml").write_text(example)
    assert load_manifest(agent).name == "solver"


def test_every_field_of_the_schema_says_what_it_is() -> None:
    schema = agent_schema()
    assert schema["$id"].startswith("https://")
    tables = [schema, *schema["$defs"].values()]
    for table in tables:
        assert table["description"]
        assert table["additionalProperties"] is False
        for name, field in table["properties"].items():
            assert field.get("description") or field.get("$ref"), name
