"""Custom fields of accounts in expressions: the nearest value counts, from its hour on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.account import CustomHistory
from shared.domain.accounts.attachments import PlanOrder
from shared.domain.accounts.custom_fields import MAX_FORMER
from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DerivedField
from shared.domain.catalog.plan import Plan, Pricing
from shared.domain.errors import InvalidInput
from shared.domain.ids import AccountCode, AggregationCode, FieldCode, PlanCode
from shared.domain.period import DAY, HOUR
from shared.domain.rating.per_unit import PerUnit
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.event import DataValue
from shared.services.catalog import Intent
from shared.services.directory import LIFE
from tests.services.desk import BY, Desk
from tests.services.world import BASIC, CATALOG, START, TOKENS, World

D = Decimal
CENT = PerUnit(D("0.01"))


def priced(aggregation: str) -> Plan:
    return replace(BASIC, pricing=(Pricing(AggregationCode(aggregation), CENT),))


def catalogue(expression: str = "n * custom.rate", price: str = "cost") -> Catalog:
    """A cent for each unit of a derived field, or of a compound, that reads a rate of 1."""
    derived = (DerivedField(FieldCode("cost"), expression),)
    cost = Aggregation(
        AggregationCode("cost"), TOKENS, AggregationType.SUM, FieldCode("cost"), unit="token"
    )
    compound = CompoundAggregation(AggregationCode("scaled"), "total * 10 / custom.rate")
    return replace(
        CATALOG,
        organization=replace(CATALOG.organization, custom={"rate": D(1), "tier": "free"}),
        meters=(replace(CATALOG.meters[0], derived_fields=derived),),
        aggregations=(*CATALOG.aggregations, cost),
        compound_aggregations=(compound,),
        plans=(priced(price),),
    )


def with_custom(desk: Desk, code: AccountCode, **custom: DataValue) -> None:
    """What the account's fields become."""
    account = replace(desk.record(code).account, custom=custom)
    desk.accounts.update(code, account, None, BY)


def from_the_start(world: World, code: AccountCode, **custom: DataValue) -> None:
    """An account that always had these fields."""
    stored = world.accounts.load(code)
    assert stored is not None
    account = replace(stored.value.account, custom=custom)
    world.accounts.save(replace(stored.value, account=account), stored.etag)


def refused(desk: Desk, code: AccountCode, **custom: DataValue) -> Mapping[str, str]:
    with pytest.raises(InvalidInput) as raised:
        with_custom(desk, code, **custom)
    return {fault.pointer: fault.message for fault in raised.value.fields}


def test_the_account_s_value_counts_and_the_catalogue_s_where_it_has_none() -> None:
    world = World(catalog=catalogue())
    dear, plain = world.customer(), world.customer()
    from_the_start(world, dear, rate=D(3))
    for account in (dear, plain):
        world.use(account, 100)
    world.next_run()
    assert [world.billed(account) for account in (dear, plain)] == [300, 100]


@pytest.mark.parametrize("value", ["3", "x", D(0)])
def test_a_value_counts_by_its_kind(value: DataValue) -> None:
    """A number that is spelled as text is a number; a text in place of one does not count."""
    world = World(catalog=catalogue())
    account = world.customer()
    from_the_start(world, account, rate=value)
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == {"3": 300, "x": 100, D(0): 0}[value]


def test_a_change_counts_from_an_hour_that_all_processes_hear_of_in_time() -> None:
    desk = Desk(World(catalog=catalogue()))
    world = desk.world
    account = world.customer()
    world.use(account, 100)
    world.clock.advance(timedelta(minutes=20))
    with_custom(desk, account, rate=D(3))
    (former,) = desk.record(account).former
    assert (former.until, former.custom) == (START + HOUR, {})
    world.clock.advance(LIFE)
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 200
    world.use(account, 100)
    world.use(account, 100, START + timedelta(minutes=59))
    world.next_run()
    assert world.billed(account) == 200 + 100 + 300


def test_one_just_before_the_hour_counts_from_the_next_but_one() -> None:
    desk = Desk(World(catalog=catalogue()))
    account = desk.world.customer()
    desk.world.clock.advance(timedelta(minutes=50))
    with_custom(desk, account, rate=D(3))
    with_custom(desk, account, rate=D(4))
    (former,) = desk.record(account).former
    assert former.until == START + 2 * HOUR
    history = desk.record(account).customs
    assert history.at(START + HOUR) == {}
    assert history.at(START + 2 * HOUR) == {"rate": D(4)}


def test_before_the_first_plan_there_is_nothing_to_remember() -> None:
    desk = Desk(World(catalog=catalogue()))
    account = desk.account("acme")
    with_custom(desk, account, rate=D(3))
    assert desk.record(account).former == ()
    assert desk.record(account).customs.at(START - DAY) == {"rate": D(3)}


def test_what_is_aggregated_again_comes_out_the_same() -> None:
    """A field that came later is made of each event with the values of the event's hour."""
    desk = Desk(World(catalog=catalogue("n * 1")))
    world = desk.world
    account = world.customer()
    world.use(account, 100)
    with_custom(desk, account, rate=D(3))
    world.next_run()
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 200
    world.process.put_catalog(catalogue(), Intent("ada", START))
    world.next_run(3)
    assert world.billed(account) == 100 + 300


def test_a_compound_takes_the_values_with_which_its_period_began() -> None:
    desk = Desk(World(catalog=catalogue(price="scaled")))
    world = desk.world
    account = world.customer()
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 1000
    with_custom(desk, account, rate=D(2))
    world.next_run(2)
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 2000
    world.clock.at = START.replace(month=4, day=2)
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 2000 + 500


def test_values_of_another_kind_are_refused() -> None:
    desk = Desk(World(catalog=catalogue()))
    account = desk.account("acme")
    found = refused(desk, account, rate="three", tier=D(1), other="free")
    assert found.keys() == {"/custom/rate", "/custom/tier"}
    assert "must be a number: the catalogue has custom.rate = 1" in found["/custom/rate"]
    assert "must be a text" in found["/custom/tier"]


def test_values_that_leave_a_plan_without_a_quantity_are_refused() -> None:
    desk = Desk(World(catalog=catalogue(price="scaled")))
    account = desk.world.customer()
    found = refused(desk, account, rate=D(0))
    assert "leaves aggregation scaled of plan basic without a value" in found["/custom"]
    other = desk.account("other")
    with_custom(desk, other, rate=D(0))
    with pytest.raises(InvalidInput) as raised:
        desk.plans.attach(other, PlanOrder(PlanCode("basic")), None, BY)
    assert [fault.pointer for fault in raised.value.fields] == ["/plan"]


def test_changes_are_counted() -> None:
    desk = Desk(World(catalog=catalogue()))
    account = desk.world.account("acme")
    from_the_start(desk.world, account, rate=D(MAX_FORMER + 1))
    history = CustomHistory({"rate": D(1)})
    for number in range(MAX_FORMER):
        history = history.changed({"rate": D(number + 2)}, START + number * HOUR)
    for end in range(90, MAX_FORMER + 90, 90):
        desk.world.change(account, former=history.former[:end])
    assert "changed 500 times" in refused(desk, account, rate=D(1))["/custom"]
    with_custom(desk, account, rate=D(MAX_FORMER + 1))
