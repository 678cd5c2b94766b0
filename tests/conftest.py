"""How the tests are dealt out to the two processes that `make test` runs them in.

What starts processes of its own goes to one of them, one after the other and from the start: it
waits more than it computes, and two swarms at once would be in each other's way. Any other file
goes as a whole to whoever is free, so that what its tests share is made once.

No example of a property test has a deadline: how fast a machine is that somebody shares says
nothing about the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
import structlog
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("symphony", deadline=None)
settings.load_profile("symphony")

FOLDERS_WITH_PROCESSES = {"real", "crash"}
FILES_WITH_PROCESSES = {
    "test_two_machines.py",
    "test_readme.py",
    "test_examples.py",
    "test_first_run.py",
    "test_llamacpp.py",
    "test_contract.py",
}


class Dealing(LoadScopeScheduling):
    """Deals out files, and all that start processes as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "processes" if _starts_processes(file) else file


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """A command that was run inside a test leaves no log behind that goes to its closed stderr."""
    yield
    structlog.reset_defaults()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Dealing:
    config.option.loadscopereorder = False  # the order is that of `pytest_collection_modifyitems`
    return Dealing(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not _starts_processes(item.nodeid.partition("::")[0]))


def _starts_processes(file: str) -> bool:
    path = PurePosixPath(file)
    return path.parent.name in FOLDERS_WITH_PROCESSES or path.name in FILES_WITH_PROCESSES
