"""Percentages with bounds per event: fees kept when events arrive, and priced from their sums."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.intake import Taken
from shared.domain.catalog.meter import DataField, FieldCategory, Meter
from shared.domain.catalog.plan import Pricing
from shared.domain.errors import InvalidInput
from shared.domain.ids import AccountCode, AggregationCode, FieldCode, MeterCode, PlanCode
from shared.domain.money import round_half_up
from shared.domain.rating.discount import price_line
from shared.domain.rating.percentage import Percentage, Share
from shared.domain.rating.quantity import Quantities
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial
from tests.customers import CONTOSO, plan_of, utc
from tests.services.world import START, World

D = Decimal
PAYMENTS, VALUE = MeterCode("payments"), FieldCode("value")
BOUNDED = Percentage((Share(D("2.99")),), minimum_per_event=D("1.75"), maximum_per_event=D(12))
MARCH_5 = utc(3, 5)
OPTIONAL = DataField(VALUE, FieldCategory.INCOME, required=False)
SUM = Aggregation(AggregationCode("paid"), PAYMENTS, AggregationType.SUM, VALUE)


def catalog(*charges: Percentage) -> Catalog:
    prices = tuple(Pricing(SUM.code, charge) for charge in charges)
    return Catalog(
        CONTOSO,
        meters=(Meter(PAYMENTS, (OPTIONAL,)),),
        aggregations=(SUM,),
        plans=tuple(
            replace(plan_of(price), code=PlanCode(f"p{n}")) for n, price in enumerate(prices)
        ),
    )


def cell(owner: Catalog, *values: str, start: datetime = MARCH_5) -> CellUsage:
    """The values as events that arrived under a catalogue."""
    intake = owner.intake(PAYMENTS)
    assert intake is not None
    partial = Partial()
    for number, value in enumerate(values):
        taken = intake.take({"value": D(value)} if value else {})
        assert isinstance(taken, Taken)
        partial.add(UsageEvent(str(number), AccountCode("acme"), PAYMENTS, start, taken.data))
    return CellUsage(PAYMENTS, "", start, partial)


def priced(owner: Catalog, *cells: CellUsage, plan: int = 0) -> Decimal:
    resolved = owner.plan(owner.plans[plan].code)
    (price,) = resolved.pricing
    return price_line(price.charge, Quantities(owner, resolved, cells).usage(price)).amount


def test_each_event_is_held_within_its_bounds() -> None:
    owner = catalog(BOUNDED)
    assert priced(owner, cell(owner, "10", "80", "10000")) == D("1.75") + D("2.392") + 12


def test_an_event_without_the_value_has_no_fee() -> None:
    owner = catalog(BOUNDED)
    assert priced(owner, cell(owner, "", "100")) == D("2.99")
    assert priced(owner, cell(owner, "")) == 0
    assert priced(owner) == 0


def test_two_prices_of_one_value_have_fees_of_their_own() -> None:
    dear = replace(BOUNDED, minimum_per_event=D(5))
    owner = catalog(BOUNDED, dear)
    assert [priced(owner, cell(owner, "10"), plan=n) for n in (0, 1)] == [D("1.75"), 5]


def test_usage_that_arrived_without_fees_is_not_billed_by_guess() -> None:
    before, after = catalog(), catalog(BOUNDED)
    with pytest.raises(InvalidInput, match="aggregated again"):
        priced(after, cell(before, "10"), cell(after, "10", start=utc(3, 6)))


def test_older_usage_does_not_suffice_for_a_price_that_needs_fees() -> None:
    old, new = catalog().intake(PAYMENTS), catalog(BOUNDED).intake(PAYMENTS)
    assert old is not None
    assert new is not None
    assert new.covers(old) is False
    assert old.covers(new)
    again = new.take_again({"value": D(10)})
    assert sorted(again.data) != ["value"]


def test_a_fee_that_nothing_can_carry_makes_the_event_invalid() -> None:
    huge = Percentage((Share(D(10) ** 9),), maximum_per_event=D("999999999999999"))
    owner = catalog(replace(huge, maximum_per_event=None, minimum_per_event=D(1)))
    intake = owner.intake(PAYMENTS)
    assert intake is not None
    faults = intake.take({"value": D(10) ** 9})
    assert isinstance(faults, tuple)
    (fault,) = faults
    assert fault.pointer == "/data/value"
    assert "not below 10^15" in fault.message


@given(st.lists(st.decimals(0, 1_000, places=9), max_size=8), st.integers(0, 8))
def test_dividing_events_over_hours_changes_no_price(values: list[Decimal], at: int) -> None:
    owner = catalog(BOUNDED)
    texts = [str(value) for value in values]
    whole = priced(owner, cell(owner, *texts))
    parted = priced(owner, cell(owner, *texts[:at]), cell(owner, *texts[at:], start=utc(3, 6)))
    each = [min(max(value * D("0.0299"), D("1.75")), D(12)) for value in values]
    assert whole == parted == sum((round_half_up(fee, 9) for fee in each), D(0))


def test_from_the_event_to_the_marketplace() -> None:
    owner = catalog(BOUNDED)
    world = World(catalog=replace(owner, plans=(replace(owner.plans[0], code=PlanCode("basic")),)))
    code = world.account("acme")
    for number, value in enumerate(("10", "80", "10000")):
        event = UsageEvent(f"e{number}", code, PAYMENTS, START, {"value": D(value)})
        (result,) = world.process.ingest([event])
        assert result.outcome == "accepted"
    world.next_run()
    assert world.row(code).committed == 1614
