"""Fixtures for tests on Azurite: one process a session, tables of their own for every test."""

from collections.abc import Iterator
from itertools import count

import pytest

from local.azurite.process import running_azurite
from shared.config import Settings
from shared.storage.tables import Tables, open_tables

_numbers = count(1)


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite that serves this session."""
    with running_azurite() as running:
        yield running.connection


@pytest.fixture
def tables(azurite: str) -> Iterator[Tables]:
    """Tables that no other test sees."""
    opened = open_tables(Settings(tables_connection=azurite), prefix=f"T{next(_numbers)}x")
    yield opened
    opened.close()
