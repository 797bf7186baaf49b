"""One simulator for all HTTP tests of it, reset before each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.clock import FileClock
from local.marketplace.config import Settings
from local.marketplace.server import running
from tests.local.marketplace.site import Site


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running simulator."""
    clock: Path = tmp_path_factory.mktemp("marketplace") / "clock"
    with running(Settings(), FileClock(clock)) as bound:
        yield bound.url


@pytest.fixture
def site(served: str) -> Iterator[Site]:
    """A client of a simulator that has forgotten everything but the time."""
    fresh = Site(served)
    yield fresh
    fresh.session.close()
