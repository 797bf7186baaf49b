"""One simulator for all HTTP tests of it, reset before each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.clock import FileClock
from local.marketplace.config import Settings
from local.marketplace.server import running
from tests.local.marketplace.site import Site


@pytest.fixture(scope="session")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the running simulator shares its time through."""
    return tmp_path_factory.mktemp("marketplace") / "clock"


@pytest.fixture(scope="session")
def served(clock_file: Path) -> Iterator[str]:
    """The address of a running simulator."""
    with running(Settings(), FileClock(clock_file)) as bound:
        yield bound.url


@pytest.fixture
def site(served: str) -> Iterator[Site]:
    """A client of a simulator that has forgotten everything but the time."""
    fresh = Site(served)
    yield fresh
    fresh.session.close()
