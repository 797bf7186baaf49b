"""Brokers for tests: ours, or for the contract the one that the environment names.

With ``SERVICEBUS_CONTRACT_CONNECTION_STRING`` the tests that use ``bus`` run against that broker,
which must have the queues of ``queues.json``; those that use ``local_bus`` need our clock and our
counters and always start our own.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servicebus.declaration import load_queues
from local.servicebus.entity.config import QueueConfig
from tests.local.servicebus.bus import Bus, Buses, LocalBus, purge

EXTERNAL = os.environ.get("SERVICEBUS_CONTRACT_CONNECTION_STRING")


@pytest.fixture(scope="session")
def queues() -> list[QueueConfig]:
    return load_queues(Path(__file__).with_name("queues.json"))


@pytest.fixture(scope="session")
def buses() -> Iterator[Buses]:
    started = Buses()
    yield started
    started.close()


@pytest.fixture
def local_bus(buses: Buses, queues: list[QueueConfig]) -> Iterator[LocalBus]:
    with buses.local(queues) as started:
        yield started


@pytest.fixture
def bus(buses: Buses, queues: list[QueueConfig]) -> Iterator[Bus]:
    if EXTERNAL is None:
        with buses.local(queues) as started:
            yield started
        return
    external = Bus(EXTERNAL)
    purge(external)
    yield external
    external.close()
