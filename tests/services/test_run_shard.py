"""The hourly run over the strict stores: normal paths, races, failures, and nothing in vain."""

from tests.services.world import World


def test_usage_of_an_hour_is_billed_after_it() -> None:
    world = World()
    account = world.customer()
    world.use(account, 250)
    world.next_run()
    assert world.billed(account) == 250
    assert world.row(account).committed == 250
