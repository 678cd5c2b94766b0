from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway.live import Live, live_gateway


@pytest.fixture
def live() -> Iterator[Live]:
    with live_gateway() as running:
        yield running
