"""Commands that need no node: ledger, receipt, validate, schema, model, engine, doctor."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest

from ledger import Head, Kind, PrivateKey, did_key, parse_entry, peer_id, seal
from ledger.codec import dumps
from ledger.sqlite import SqliteStore
from symphony.core.ids import SwarmId
from symphony.core.receipts.receipt import RECEIPT
from symphony.core.records import TASK
from symphony.identity import load_identity, read_swarm
from symphony.testing.signing import RealKeys

from .conftest import Run


@contextmanager
def echoing() -> Iterator[str]:
    """The URL of a model server that runs meanwhile."""
    command = [sys.executable, "-m", "symphony.testing.echo_server", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as child:
        assert child.stdout is not None
        yield child.stdout.readline().split()[1]
        child.kill()


REPO = Path(__file__).parents[2]


@pytest.fixture
def written(run: Run, home: Path) -> PrivateKey:
    """A home whose ledger holds three entries of its own node."""
    run("init")
    key, swarm = load_identity(home), read_swarm(home)
    assert swarm is not None
    store = SqliteStore.open(home / "ledger.sqlite", swarm.swarm_id)
    head = None
    for number in range(1, 4):
        entry = seal(
            key,
            swarm.swarm_id,
            head,
            kind=Kind.TASK,
            body=dumps({"chains": number, "task": bytes(16)}),
            hlc=(1_700_000_000_000 + number) << 16,
        )
        store.append([entry])
        head = entry.head
    store.close()
    return key


def test_the_ledger_is_listed(run: Run, written: PrivateKey) -> None:
    rows = run("ledger", "log", "--json").lines()
    assert [row["seq"] for row in rows] == [1, 2, 3]
    assert rows[0]["body"] == {"chains": 1, "task": "00" * 16}
    assert rows[0]["kind"] == "task"
    assert "2023-11-14" in run("ledger", "log").out
    for count in (1, 2, 3):
        newest = run("ledger", "log", "-n", count, "--json").lines()
        assert [row["seq"] for row in newest] == [1, 2, 3][-count:]
    by_author = run("ledger", "log", "-n", 1, "--author", written.public.hex(), "--json").lines()
    assert [row["seq"] for row in by_author] == [3]
    after = rows[0]["position"]
    assert len(run("ledger", "log", "--after", after, "--json").lines()) == 2
    key = written.public.hex()
    for author in (did_key(written.public), peer_id(written.public), key, key[:8], key[:4].upper()):
        assert len(run("ledger", "log", "--author", author, "--json").lines()) == 3
    other = PrivateKey.generate(os.urandom)
    assert run("ledger", "log", "--author", did_key(other.public), "--json").out == ""
    unknown = run("ledger", "log", "--author", key[:8] + "0" * 8)
    assert unknown.code == 2
    assert "0 logs here of a node" in unknown.err
    wrong = run("ledger", "log", "--author", "me")
    assert wrong.code == 2
    assert "symphony peers" in wrong.err


def test_a_whole_ledger_verifies(run: Run, written: PrivateKey) -> None:
    done = run("ledger", "verify")
    assert (done.code, done.out) == (0, "ok: 3 entries in 1 log, 0 proven forks\n")
    assert run("ledger", "verify", "--json").json()["ok"] is True


def test_a_changed_ledger_is_named_and_exits_7(run: Run, home: Path, written: PrivateKey) -> None:
    with sqlite3.connect(home / "ledger.sqlite") as db:
        db.execute("UPDATE entry SET body = x'00' WHERE seq = 2")
    db.close()
    done = run("ledger", "verify")
    assert done.code == 7
    assert f"entry 2 of {written.public.hex()[:8]}:" in done.err
    told = run("ledger", "verify", "--json")
    assert told.code == 7
    assert told.json()["problems"][0]["seq"] == 2


def test_without_a_ledger_it_says_where_one_comes_from(run: Run) -> None:
    done = run("ledger", "log")
    assert done.code == 2
    assert "symphony join" in done.err


def test_a_bad_receipt_exits_7_with_the_reason(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.receipt"
    file.write_bytes(b"\xa0")
    done = run("receipt", "verify", file)
    assert done.code == 7
    assert "no receipt" in done.err
    assert "next:" in done.err
    told = run("receipt", "verify", file, "--json")
    assert told.code == 7
    assert told.json()["ok"] is False
    assert "no receipt" in told.json()["reason"]
    missing = run("receipt", "verify", tmp_path / "none")
    assert missing.code == 1
    assert "No such file" in missing.err


def test_a_task_record_out_of_bounds_is_named(run: Run, tmp_path: Path) -> None:
    """Signed by its conductor; a level of 100 % was once an `AssertionError` of the arithmetic."""
    vectors = Path(__file__).parents[1] / "vectors" / "v1" / "receipt.json"
    held = RECEIPT.decode(bytes.fromhex(json.loads(vectors.read_text())["receipt"]))
    task, signer = parse_entry(held.entries[0]), RealKeys().signer(b"me".ljust(32, b"."))
    before = Head(task.author, task.seq - 1, task.prev, task.hlc - 1)
    body = TASK.encode(replace(TASK.decode(task.body or b""), alpha=1_000_000))
    forged = seal(signer, SwarmId(held.swarm), before, kind=task.kind, body=body, hlc=task.hlc)
    entries = (forged.encode(), *held.entries[1:])
    (tmp_path / "any").write_bytes(RECEIPT.encode(replace(held, entries=entries)))
    done = run("receipt", "verify", tmp_path / "any")
    assert done.code == 7
    assert "unreadable: alpha" in done.err


def test_a_receipt_is_shown_unchecked_and_verified_in_either_form(run: Run, tmp_path: Path) -> None:
    vectors = Path(__file__).parents[1] / "vectors" / "v1" / "receipt.json"
    frozen = json.loads(vectors.read_text())
    file = tmp_path / "any.receipt"
    file.write_bytes(bytes.fromhex(frozen["sealed"]))
    shown = run("receipt", "show", file)
    assert shown.json()["prompt"] == "What is 6 x 7?"
    (tmp_path / "it.json").write_text(json.dumps(shown.json(), indent=2))
    found = run("receipt", "verify", tmp_path / "it.json", "--json").json()
    assert (found["ok"], found["digest"]) == (True, frozen["digest"])
    assert "exact" in run("receipt", "verify", file).out
    file.write_bytes(dumps({"format": "x", "salt": b"\x01"}))
    assert run("receipt", "show", file).code == 7
    file.write_bytes(b"\xff")
    assert run("receipt", "show", file).code == 7
    file.write_bytes(bytes(8 * 1024 * 1024 + 1))
    assert "larger than any receipt" in run("receipt", "show", file).err


def test_shipped_agents_validate(run: Run) -> None:
    done = run("validate")
    assert done.code == 0
    assert done.out.count("ok: ") >= 6
    assert done.err == ""
    assert all(row["ok"] for row in run("validate", REPO / "agents", "--json").json())


def test_bad_agents_are_all_named_and_exit_2(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "agent.yaml").write_text("kind: Agnet\n")
    done = run("validate", tmp_path)
    assert done.code == 2
    assert done.err.count("error: ") == 2
    assert done.err.count("next:  ") == 2
    rows = run("validate", tmp_path, "--json")
    assert rows.code == 2
    assert [row["ok"] for row in rows.json()] == [False, False]


def test_a_model_that_nobody_knows_is_noted(run: Run, tmp_path: Path) -> None:
    good = REPO / "agents" / "solver"
    for file in good.iterdir():
        text = file.read_text().replace("qwen2.5-coder-1.5b", "qwen9")
        (tmp_path / file.name).write_text(text)
    done = run("validate", tmp_path)
    assert done.code == 0
    assert "no model 'qwen9'" in done.err


def test_schemas_are_json(run: Run) -> None:
    from symphony.manifests import agent_schema, manual

    assert run("schema", "agent").json() == agent_schema()
    assert run("schema", "agent", "--markdown").out == manual()
    assert "gateway" in run("schema", "config").json()["properties"]


def test_models(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPHONY_MODELS", str(tmp_path / "models"))
    rows = run("model", "list", "--json").json()
    assert {row["name"] for row in rows} >= {"smollm2-135m", "qwen2.5-coder-1.5b"}
    assert all(row["path"] is None for row in rows)
    assert "smollm2-135m" in run("model", "list").out
    for words in (("pull",), ("path",), ("verify",), ("remove",)):
        unknown = run("model", *words, "smollm2-136m")
        assert unknown.code == 1, words
        assert "no model is called 'smollm2-136m'" in unknown.err
        assert "did you mean 'smollm2-135m'?" in unknown.err
    absent = run("model", "path", "smollm2-135m")
    assert absent.code == 1
    assert "next:  run: symphony model pull smollm2-135m" in absent.err
    assert "was not here" in run("model", "remove", "smollm2-135m").out


def test_engines_say_why(run: Run) -> None:
    rows = {row["engine"]: row for row in run("engine", "list", "--json").json()}
    assert set(rows) == {"auto", "vllm", "llamacpp", "openai"}
    assert rows["openai"]["usable"] is False
    assert all(row["reasons"] for row in rows.values())
    assert "needs the URL" in run("engine", "list").out


def _findings(run: Run) -> tuple[int, dict[str, dict[str, str]]]:
    done = run("doctor", "--json")
    report = done.json()
    assert report["ok"] == (done.code == 0)
    return done.code, {finding["check"]: finding for finding in report["findings"]}


def test_the_doctor_finds_a_missing_home(run: Run) -> None:
    code, found = _findings(run)
    assert code == 1
    assert found["home"]["fix"] == "symphony init"
    assert found["key"]["verdict"] == "fail"


def test_the_doctor_names_the_fix_of_each_thing(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMPHONY_MODELS", str(tmp_path / "none"))
    run("init")
    code, found = _findings(run)
    assert code == 1, "no agent can be hosted without a model"
    assert found["agent solver"]["verdict"] == "warn"
    assert "symphony" in found["agent solver"]["fix"]
    assert found["agents"]["fix"] == "symphony model pull smollm2-135m"
    assert found["encoder"]["fix"] == "symphony model pull minilm-l6-int8"
    (home / "node.key").chmod(0o644)
    code, found = _findings(run)
    assert found["key"]["fix"] == f"chmod 600 {home / 'node.key'}"
    assert "fix: chmod 600" in run("doctor").out


def test_the_doctor_looks_at_a_configured_server(run: Run, home: Path) -> None:
    run("init")
    (home / "config.toml").write_text('[engine]\nurl = "http://127.0.0.1:9"\n')
    code, found = _findings(run)
    assert code == 1
    assert found["agent solver"]["verdict"] == "warn"
    assert "no answer from http://127.0.0.1:9" in found["agent solver"]["detail"]
    assert "start the model server" in found["agent solver"]["fix"]
    with echoing() as url:
        (home / "config.toml").write_text(f'[engine]\nurl = "{url}"\nmodel = "other"\n')
        code, found = _findings(run)
        assert (code, found["agent solver"]["verdict"]) == (1, "warn")
        assert found["agent solver"]["fix"].startswith("it has: echo")
        (home / "config.toml").write_text(f'[engine]\nurl = "{url}"\nmodel = "echo"\n')
        code, found = _findings(run)
    assert code == 0
    assert "by openai" in found["agent solver"]["detail"]
    assert found["gateway"]["verdict"] == "ok"
    assert "GB are free" in found["memory"]["detail"]


def test_the_doctor_goes_on_after_a_bad_manifest(run: Run, home: Path, tmp_path: Path) -> None:
    run("init")
    agents = tmp_path / "agents"
    for name in ("good", "bad"):
        (agents / name).mkdir(parents=True)
        text = (REPO / "agents/solver/agent.yaml").read_text()
        text = text.replace("  probes: probes.jsonl\n", "")
        (agents / name / "agent.yaml").write_text(text.replace("name: solver", f"name: {name}"))
        (agents / name / "prompt.md").write_text("Answer.\n")
    (agents / "bad" / "agent.yaml").write_text("kind: !!int x\n")
    (home / "config.toml").write_text(f'agents = ["{agents}"]\n')
    code, found = _findings(run)
    assert code == 1
    assert "agent good" in found
    report = run("doctor", "--json").json()["findings"]
    assert any("bad/agent.yaml:1: kind: " in one["detail"] for one in report)


def test_a_password_in_an_address_is_shown_nowhere(run: Run, home: Path) -> None:
    run("init")
    for url, code in (("http://me:p-w@127.0.0.1:9/v1", 1), ("http://me:p-w@10.0.0.9:80a0", 1)):
        (home / "config.toml").write_text(f'[engine]\nurl = "{url}"\n')
        done = run("doctor", "--json")
        assert done.code == code
        listed = run("engine", "list")
        for text in (done.out, done.err, listed.out, listed.err):
            assert "p-w" not in text
    assert "http://host:port" in listed.out
    _, found = _findings(run)
    assert found["agent solver"]["fix"].startswith("correct url and api_key")


def test_the_doctor_notices_a_gateway_that_does_not_answer(run: Run, home: Path) -> None:
    run("init")
    (home / "config.toml").write_text('[engine]\nurl = "http://127.0.0.1:9"\n')
    facts = {"url": "http://127.0.0.1:9", "api_key": "k", "pid": os.getpid()}
    (home / "gateway.json").write_text(json.dumps(facts))
    (home / "gateway.json").chmod(0o600)
    code, found = _findings(run)
    assert code == 1
    assert found["gateway"]["verdict"] == "fail"
    assert "gateway.json" in found["gateway"]["fix"]
