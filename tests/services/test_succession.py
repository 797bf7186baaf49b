"""A subscription that follows another on the same account, or goes on as another plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.catalog.billing import QuantityBilling, QuantityDimension
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import MarketplacePlan
from shared.domain.errors import Conflict
from shared.domain.ids import AccountCode, AggregationCode, DimensionId, SubscriptionId
from shared.domain.lifecycle.subscription import Subscription
from tests.fakes.marketplace import Refuse
from tests.services.test_lifecycle_operations import drain, notify
from tests.services.world import BASIC, CATALOG, OFFER, World, catalog_of

HOUR = timedelta(hours=1)


def leave(world: World, account: AccountCode) -> Subscription:
    sold = world.record(account).subscription
    assert sold is not None
    world.marketplace.unsubscribe(sold.id)
    world.process.follow(sold.id)
    return sold


def come_back(world: World, account: AccountCode) -> SubscriptionId:
    id_, _ = world.marketplace.buy("standard")
    world.process.adopt(id_, account, "anna", pending=True)
    return id_


def test_an_hour_of_the_old_one_is_not_billed_to_the_new_one() -> None:
    organization = replace(CATALOG.organization, usage_grace_hours=0)
    world = World(catalog=replace(CATALOG, organization=organization))
    account = world.customer()
    world.next_run(2)
    world.clock.at = world.clock.at.replace(minute=0) + HOUR
    world.use(account, 1000, world.clock.advance(timedelta(minutes=1)))
    world.clock.advance(timedelta(minutes=2))
    old = leave(world, account)
    world.clock.advance(timedelta(minutes=2))
    world.run()
    assert world.marketplace.total(old.id, "usage_fee") == 1000
    with pytest.raises(Conflict, match="link the new one once the old one has ended"):
        come_back(world, account)
    world.next_run()
    new = come_back(world, account)
    world.next_run(3)
    assert world.marketplace.total(new, "usage_fee") == 0


def test_what_the_old_one_lost_is_written_off_before_a_new_one_may_follow() -> None:
    world = World()
    account = world.customer()
    world.next_run(2)
    world.use(account, 500)
    world.marketplace.decide = lambda call: Refuse(403) if call == "send" else None
    old = leave(world, account)
    world.next_run(24)
    ended = world.record(account).subscriptions[0].end
    assert ended is not None
    world.clock.at = ended + timedelta(hours=24, minutes=1)
    with pytest.raises(Conflict, match=old.id):
        come_back(world, account)
    world.marketplace.decide = lambda _: None
    world.next_run(3)
    assert world.row(account).written_off == 500
    come_back(world, account)


def sold_as_two_plans() -> Catalog:
    billing = QuantityBilling((QuantityDimension(DimensionId("tokens"), AggregationCode("total")),))
    places = tuple(MarketplacePlan(OFFER, name) for name in ("standard", "scale"))
    return catalog_of(replace(BASIC, pricing=(), marketplace=places, billing=billing))


def test_units_are_sold_as_the_plan_of_their_hour_where_two_plans_have_one_price_list() -> None:
    world = World(catalog=sold_as_two_plans())
    for name in ("standard", "scale"):
        plan = world.marketplace.plans[name]
        tokens = replace(plan.dimensions[0], id=DimensionId("tokens"))
        world.marketplace.plans[name] = replace(plan, dimensions=(*plan.dimensions, tokens))
    account = world.customer()
    id_ = SubscriptionId(account)
    world.use(account, 40)
    world.next_run(2)
    notify(world, world.marketplace.ask_for_plan(id_, "scale"))
    drain(world)
    world.next_run()
    for _ in range(3):
        world.use(account, 100)
        world.next_run(24)
    world.clock.at = datetime(2026, 4, 1, 1, 5, tzinfo=UTC)
    world.use(account, 1)
    world.next_run(3)
    assert world.marketplace.total(id_, "tokens", "standard") == 40
    assert world.marketplace.total(id_, "tokens", "scale") == 301
    assert not any(row.written_off for row in world.rows(account).values())
    assert Decimal(341) == sum(row.committed for row in world.rows(account).values())
