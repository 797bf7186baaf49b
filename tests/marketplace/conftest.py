"""A stub HTTP server a test."""

from collections.abc import Iterator

import pytest

from tests.marketplace.stub import Stub, running_stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub() as running:
        yield running
