"""A running stack with a price list, as ``./dev run`` leaves it; a module may have its own."""

from collections.abc import Iterator

import pytest

from local.clients import checked
from local.samples.files import CATALOG
from local.stack import Stack, running_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), lambda *_: None) as (stack, _):
        document = CATALOG.read_bytes()
        checked(stack.administrator().send("PUT", "/api/catalog", document, "application/yaml"))
        yield stack
