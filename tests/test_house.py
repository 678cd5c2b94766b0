"""The rules of the house that no other tool checks. CONTRIBUTING.md gives their reasons."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
VAGUE = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}
UNSAFE_IMPORTS = {"pickle", "cPickle", "dill", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "__import__"}
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
SAYS_SO = {"pyproject.toml", "CONTRIBUTING.md"}  # they state the rule
ROOTS = {"symphony", "ledger", "examples"}


@cache
def tracked() -> tuple[Path, ...]:
    """All files that git keeps and that are there."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=True, timeout=30
    )
    files = [REPO / name for name in done.stdout.split("\0") if name]
    return tuple(path for path in files if path.is_file())


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    paths = [path for path in tracked() if path.suffix == ".py"]
    return tuple((path, ast.parse(path.read_text())) for path in paths)


def name(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


def test_there_is_something_to_check() -> None:
    names = {name(path) for path, _ in modules()}
    assert {"symphony/core/swarm.py", "ledger/entry.py", "tests/test_house.py"} <= names


def test_files_and_functions_are_short() -> None:
    long = [
        f"{name(path)}: {lines} lines"
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".json"}
        and (lines := len(path.read_text().splitlines())) > MAX_FILE_LINES
    ]
    long += [
        f"{name(path)}: {node.name} has {lines} lines"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_has_its_theory() -> None:
    silent = [
        name(path)
        for path, tree in modules()
        if path.relative_to(REPO).parts[0] in ROOTS and not ast.get_docstring(tree)
    ]
    assert silent == []


def test_no_file_has_a_vague_name() -> None:
    assert [name(path) for path in tracked() if VAGUE & set(re.split(r"[._-]", path.name))] == []
    folders = {part for path in tracked() for part in path.relative_to(REPO).parts[:-1]}
    assert VAGUE & folders == set()


def test_nothing_is_left_unfinished() -> None:
    text = [path for path in tracked() if path.suffix in {".py", ".md", ".toml", ".yaml", ".sh"}]
    found = [
        name(path)
        for path in text
        if name(path) not in SAYS_SO and UNFINISHED.search(path.read_text())
    ]
    assert found == []


def test_no_code_comes_out_of_data() -> None:
    found = []
    for path, tree in modules():
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    imported = {alias.name.partition(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module)):
                    imported = {module.partition(".")[0]}
                case ast.Call(func=ast.Name(id=called)) if called in UNSAFE_CALLS:
                    found.append(f"{name(path)}:{node.lineno}: {called}")
                    continue
                case _:
                    continue
            found += [f"{name(path)}:{node.lineno}: {bad}" for bad in imported & UNSAFE_IMPORTS]
    assert found == []


def test_agents_are_data() -> None:
    """A top-level package `agents` belongs to somebody else."""
    inside = [path for path in tracked() if path.relative_to(REPO).parts[0] == "agents"]
    assert inside
    assert {path.suffix for path in inside} <= {".yaml", ".md", ".jsonl", ".json"}


@pytest.mark.parametrize("package", ["symphony", "ledger"])
def test_the_public_names_have_a_test(package: str) -> None:
    guards = {"symphony": "tests/test_exports.py", "ledger": "tests/ledger/test_ledger_names.py"}
    tree = ast.parse((REPO / guards[package]).read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert package in imported
    assert (REPO / package / "py.typed").is_file()


def test_rooms_import_in_one_direction() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert " 0 broken" in done.stdout
