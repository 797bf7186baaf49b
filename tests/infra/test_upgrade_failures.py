"""Upgrade and end of a deployment, with every call to Azure failing once."""

import copy

from tests.infra.az.cloud import Cloud
from tests.infra.az.server import Shell
from tests.infra.failures import fail_call_by_call, fail_each_call, world_of

NAME = ("--name", "metering", "--yes")


def deployed(azure: Shell) -> Cloud:
    """A world after a deployment."""
    azure.desk.cloud = world_of(azure)
    done = azure.run(*NAME, "--location", "westeurope")
    assert done.returncode == 0, done.stderr
    return copy.deepcopy(azure.desk.cloud)


def test_an_upgrade_goes_on_wherever_it_broke_off(azure: Shell) -> None:
    world = deployed(azure)
    before = copy.deepcopy(world.groups)
    assert fail_call_by_call(azure, world, *NAME, "--upgrade") == []
    assert azure.desk.cloud.groups == before


def test_destroying_goes_on_wherever_it_broke_off(azure: Shell) -> None:
    world = deployed(azure)
    assert fail_each_call(azure, world, *NAME, "--destroy") == []
    cloud = azure.desk.cloud
    assert (cloud.groups, cloud.graph.applications, cloud.graph.deleted) == ({}, {}, set())
