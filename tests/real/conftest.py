"""One swarm for all tests of this folder: to start five processes takes longer than any test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from symphony.testing.local_swarm import await_mesh, local_swarm, stop_all
from symphony.testing.template import forked

from .stage import Stage, servers


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with servers(tmp_path_factory.mktemp("stage")) as stage:
        plans = stage.plans()
        with local_swarm(stage.root, plans, forked) as nodes:
            stage.nodes = list(nodes)
            yield stage
            stop_all(stage.nodes)  # those that were started again, too


@pytest.fixture
def stage(whole: Stage) -> Stage:
    """The swarm with all five nodes up and connected, whatever the test before has done."""
    for node in whole.nodes:
        if not node.alive:
            whole.restart(node.name)
    await_mesh(whole.nodes)
    return whole
