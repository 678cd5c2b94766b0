"""The documentation is true: its commands parse, its code runs, its links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from symphony.cli import main as symphony
from symphony.cli.app import LAZY, app
from symphony.core.receipts.report import sentences
from symphony.manifests import shipped_agents
from symphony.testing.local_swarm import LocalNode, NodePlan, local_swarm
from symphony.testing.overhead import echo_server
from symphony.testing.template import forked

REPO = Path(__file__).parents[1]
README = REPO / "README.md"
PAGES = [
    README,
    *(REPO / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((REPO / "docs").glob("*.md")),
    *sorted((REPO / "examples").rglob("*.md")),
    REPO / "agents/README.md",
]
LANGUAGES = {"sh", "python", "yaml", "text"}
RUN_S = 60.0
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPO)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in _FENCE.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks(page)]


def of(language: str, page: Path | None = None) -> list[Block]:
    return [b for b in BLOCKS if b.language == language and page in (None, b.page)]


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []
    assert of("sh", README)
    assert of("python", README)
    assert of("yaml", README)


# --- shell ------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, one list of words each, without redirections."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        skip = False
        for word in lexer:
            if word in {"|", "&&", ";", "&"}:
                yield words
                words = []
            elif word in {"<", ">", ">>"}:
                skip = True
            elif skip:
                skip = False
            else:
                words.append(word)
        if words:
            yield words


def parse(words: list[str]) -> None:
    """Let the real command line read `words`, up to the point where it would act on them."""
    command: Any = typer.main.get_command(app)
    name, rest = "symphony", words
    while True:
        if name in LAZY:
            found: Any = getattr(importlib.import_module(f"symphony.cli.{name}"), name)
            if not isinstance(found, typer.Typer):
                single = typer.Typer()
                single.command(name)(found)
                found = single
            command = typer.main.get_command(found)
        context = command.make_context(name, list(rest))
        left = [*context._protected_args, *context.args]
        if not hasattr(command, "commands") or not left:
            return
        name, command, rest = command.resolve_command(context, left)


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_shell_commands_exist(block: Block) -> None:
    verbs = re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE)
    for words in commands(block.text):
        match words:
            case ["make", *arguments]:
                assert {word for word in arguments if "=" not in word} <= set(verbs)
            case ["symphony" | ".venv/bin/symphony", *arguments]:
                parse(arguments)
            case ["python" | ".venv/bin/python", script, *_] if script.endswith(".py"):
                assert (REPO / script).is_file()
            case [".venv/bin/python", "-m", "pytest", *arguments]:
                places = [word for word in arguments if word.startswith("tests")]
                assert all((REPO / place).exists() for place in places)
            case [".venv/bin/ruff" | ".venv/bin/mypy" | ".", *_]:
                pass
            case _:
                pytest.fail(f"{block}: nobody checks {words}")


@pytest.mark.parametrize(
    "wrong", [["submitt", "x"], ["submit", "x", "--chain-count", "3"], ["sim", "--sedes", "1"]]
)
def test_a_wrong_command_would_be_noticed(wrong: list[str]) -> None:
    with pytest.raises(Exception, match="No such"):
        parse(wrong)


def test_the_verbs_are_those_of_the_makefile() -> None:
    listed = re.findall(r"^\| `make ([a-z-]+)` \|", README.read_text(), re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(listed) == set(phony[1].split()) - {"help"}


# --- manifests, output, links -----------------------------------------------------------------


@pytest.mark.parametrize("block", [b for b in of("yaml") if "kind: Agent" in b.text], ids=str)
def test_manifests_validate(block: Block, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / "agent.yaml").write_text(block.text)
    (folder / "prompt.md").write_text("Convert.\n")
    (folder / "probes.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2", "type": "number"}\n')
    assert symphony(["validate", str(folder)]) == 0


def test_what_a_receipt_proves_is_quoted_word_for_word() -> None:
    quoted = re.findall(r"^  ([+-]) (.*)$", README.read_text(), re.MULTILINE)
    assert [text for sign, text in quoted if sign == "+"] == list(sentences(None)[0])
    assert [text for sign, text in quoted if sign == "-"] == list(sentences(None)[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", page.read_text())):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


# --- Python -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    with echo_server(latency_ms=5) as url:
        settings = {
            "SYMPHONY_ENGINE_URL": url,
            "SYMPHONY_ENGINE_MODEL": "echo",
            "SYMPHONY_AGENTS": f"{shipped_agents() / 'solver'},{shipped_agents() / 'planner'}",
            "SYMPHONY_LOG_LEVEL": "warning",
        }
        root = tmp_path_factory.mktemp("swarm")
        with local_swarm(root, [NodePlan("n1", settings)], forked) as (one,):
            yield one


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_compiles_and_imports_what_there_is(block: Block) -> None:
    """On other pages than the README, a block may be a fragment of an asynchronous function."""
    compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(ast.parse(block.text)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    assert hasattr(importlib.import_module(module), alias.name), alias.name
            case ast.Import(names=names):
                for alias in names:
                    importlib.import_module(alias.name)


@pytest.mark.real
@pytest.mark.parametrize("block", of("python", README), ids=str)
def test_python_runs(block: Block, node: LocalNode, tmp_path: Path) -> None:
    text = block.text.replace("http://127.0.0.1:4718", node.url)
    text = text.replace("the key in gateway.json", node.api_key)
    bare = {k: v for k, v in os.environ.items() if not k.startswith("SYMPHONY_")}
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
        cwd=tmp_path,
        env={**bare, "SYMPHONY_HOME": str(node.home)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
