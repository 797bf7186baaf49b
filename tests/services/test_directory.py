"""Where usage goes: by the root of the account's family, until the payer's subscription ends."""

from datetime import timedelta

from shared.domain.account import Account, AccountRecord
from shared.domain.ids import AccountCode, shard_of
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.services.directory import CatalogCache, Directory
from tests.services.world import World

HOUR = timedelta(hours=1)


def directory(world: World) -> Directory:
    return Directory(world.accounts, CatalogCache(world.catalogs, world.clock), world.grace)


def child_of(world: World, parent: str, code: str, zone: str | None = None) -> AccountCode:
    account = Account(AccountCode(code), time_zone=zone, parent=AccountCode(parent))
    world.accounts.create(AccountRecord(account))
    return account.code


def test_usage_of_children_goes_to_the_shard_of_their_parent() -> None:
    world = World()
    parent = world.account("parent")
    places = {
        child_of(world, parent, f"child{n}"): n for n in range(20)
    }  # Twenty codes do not all hash to one shard by chance.
    assert len({shard_of(code) for code in places}) > 1
    found = [directory(world).place(code, world.clock.now()) for code in places]
    assert {place.shard for place in found if place is not None} == {shard_of(parent)}
    assert [place.account for place in found if place is not None] == list(places)


def test_a_child_is_metered_in_its_own_zone_until_its_parent_s_subscription_ends() -> None:
    world = World()
    parent = world.account("parent")
    child = child_of(world, parent, "child", "Asia/Kolkata")
    sold = world.record(parent).subscriptions[0]
    ended = sold.moved(SubscriptionStatus.UNSUBSCRIBED, world.clock.now() + HOUR)
    world.change(parent, subscriptions=(ended,))
    place = directory(world).place(child, world.clock.now())
    assert place is not None
    assert place.cell_minutes == 15
    assert place.ends == world.clock.now() + HOUR


def test_a_child_whose_parent_is_missing_is_placed_all_the_same() -> None:
    world = World()
    child = child_of(world, "nobody", "child")
    place = directory(world).place(child, world.clock.now())
    assert place is not None
    assert place.shard == shard_of(AccountCode("nobody"))
    assert place.ends is None
