"""A first deployment, with every call to Azure failing once."""

from tests.infra.az.server import Shell
from tests.infra.failures import fail_each_call, world_of

FRESH = ("--name", "metering", "--location", "westeurope", "--yes")


def test_a_deployment_goes_on_wherever_it_broke_off(azure: Shell) -> None:
    assert fail_each_call(azure, world_of(azure), *FRESH) == []
    cloud = azure.desk.cloud
    assert len(cloud.graph.applications) == 2
    assert len(cloud.graph.assignments) == 1
    assert cloud.groups["metering-rg"].package
