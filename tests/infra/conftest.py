"""Fixtures: Azure's stand-in and a shell in front of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.infra.az.cloud import Cloud
from tests.infra.az.server import Shell, shell
from tests.infra.az.storage import storage


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Where tables are."""
    with storage() as served:
        yield served


@pytest.fixture
def new_shell(endpoint: str, tmp_path: Path) -> Iterator[Callable[[], Shell]]:
    """Makes shells, each in front of an empty Azure of its own."""
    with ExitStack() as stack:

        def make() -> Shell:
            return stack.enter_context(shell(Cloud(endpoint), tmp_path))

        yield make


@pytest.fixture
def azure(new_shell: Callable[[], Shell]) -> Shell:
    """A shell in front of an empty Azure."""
    return new_shell()
