"""Usage that names its own price, from the request to the bill and the Marketplace."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from shared.api.usage import ingest
from shared.domain.account import AccountPlan
from shared.domain.catalog.billing import QuantityBilling, QuantityDimension
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.charges import FreeTrial, MinimumSpend
from shared.domain.catalog.custom_usage import CUSTOM_USAGE
from shared.domain.catalog.organization import ExchangeRate
from shared.domain.catalog.plan import Pricing
from shared.domain.catalog.validation import faults_of
from shared.domain.ids import AccountCode, AggregationCode, DimensionId, PlanCode
from shared.domain.rating.account_bill import BillLine
from shared.domain.rating.custom import Custom
from shared.domain.rating.discount import LineTerms
from shared.domain.rating.per_unit import PerUnit
from shared.services.bills import Wanted
from shared.services.ingest_usage import EventResult
from tests.services.world import BASIC, CATALOG, START, TIERED, World

D = Decimal
EUROS = replace(
    CATALOG,
    organization=replace(
        CATALOG.organization, exchange_rates=(ExchangeRate("EUR", D("1.1"), date(2026, 1, 1)),)
    ),
)
BY_QUANTITY = QuantityBilling((QuantityDimension(DimensionId("d"), AggregationCode("total")),))


def event(id_: str, quantity: object, price: object, **fields: object) -> dict[str, object]:
    """An event as it comes from a request, with exact numbers."""
    named = {"id": id_, "account": "acme", "time": START.isoformat(), "unit": "kWh"}
    prices = {"currency": "USD", "quantity": D(str(quantity)), "unitPrice": D(str(price))}
    return {**named, **prices, **fields}


def world_of(catalog: Catalog = CATALOG, plan: str = "basic") -> World:
    world = World(catalog=catalog)
    world.account("acme", plan=plan)
    return world


def told(world: World, *events: dict[str, object]) -> list[EventResult]:
    return ingest(world.process.ingest, list(events), None)


def by_plan(world: World) -> list[tuple[str, int]]:
    return [(str(line.plan), int(line.before)) for line in lines(world)]


def lines(world: World) -> list[BillLine]:
    world.next_run()
    (bill,) = world.process.bills.preview(AccountCode("acme"))
    return [line for line in bill.lines if line.quantity]


def rated(world: World) -> Decimal:
    return world.row(AccountCode("acme")).rated


def test_appdirect_s_example_from_the_request_to_the_marketplace() -> None:
    world = world_of()
    home = {"description": "home", "time": "2026-03-01T00:00:00Z"}
    results = told(
        world,
        event("2", 2000, "0.20", description="works", time="2026-03-02T01:00:00Z"),
        event("1", 1000, "0.10", **home),
        event("3", "3.0", "45.00", unit="MW", description="plant"),
        event("4", 500, "0.03", description="evening"),
    )
    assert {result.outcome.value for result in results} == {"accepted"}
    megawatts, kilowatts = sorted(lines(world), key=lambda line: line.before)
    assert (megawatts.unit, megawatts.quantity, megawatts.before) == ("MW", D(3), D(135))
    assert (kilowatts.unit, kilowatts.quantity, kilowatts.before) == ("kWh", D(3500), D(515))
    assert kilowatts.bands[0].unit_price == D("0.1471428571")
    assert (kilowatts.description, kilowatts.at) == ("home", datetime(2026, 3, 1, tzinfo=UTC))
    assert rated(world) == 65_000
    assert told(world, event("1", 1000, "0.10", **home))[0].outcome == "duplicate"


def test_what_is_not_billable_is_shown_and_costs_nothing() -> None:
    world = world_of()
    told(world, event("1", 10, 1, billable=False), event("2", 3, 1), event("3", 4, 1))
    shown = [(line.quantity, line.before, line.segment) for line in lines(world)]
    assert shown == [(D(10), D(0), "billable: no"), (D(7), D(7), "")]
    assert rated(world) == 700


def test_another_currency_has_a_line_of_its_own_at_the_rate_of_the_period() -> None:
    world = world_of(EUROS)
    told(world, event("1", 3, "0.335"), event("2", 3, "0.335", currency="EUR"))
    shown = [(line.before, line.segment) for line in lines(world)]
    assert shown == [(D("1.10"), "currency: EUR"), (D(1), "")], (
        "1.1055 and 1.005, floored while open"
    )


def test_terms_of_a_plan_hold_for_every_line() -> None:
    priced = Pricing(CUSTOM_USAGE, Custom(), terms=LineTerms(percent_discount=D(10)))
    plan = replace(BASIC, pricing=(*BASIC.pricing, priced))
    catalog = replace(CATALOG, plans=(plan,))
    assert faults_of(catalog) == ()
    world = world_of(catalog)
    told(world, event("1", 100, 2))
    (line,) = lines(world)
    assert line.before == 180


def test_it_counts_towards_a_minimum_and_costs_nothing_in_a_trial() -> None:
    plan = replace(BASIC, minimum_spend=MinimumSpend(D(50)), free_trial=FreeTrial(100))
    world = world_of(replace(CATALOG, plans=(plan,)))
    told(world, event("1", 100, 2))
    (line,) = lines(world)
    assert (line.before, line.trial) == (D(0), True)
    paid = world_of(replace(CATALOG, plans=(replace(plan, free_trial=None),)))
    told(paid, event("1", 20, 2))
    assert [line.before for line in lines(paid)] == [40]


def test_an_account_with_two_plans_is_billed_once() -> None:
    world = world_of()
    (basic,) = world.record(AccountCode("acme")).plans
    late = START.replace(hour=12)
    both = (
        replace(basic, end=late),
        AccountPlan("two", PlanCode("tiered"), basic.start),
    )
    world.change(AccountCode("acme"), plans=both)
    told(world, event("1", 1, 5))
    assert by_plan(world) == [("basic", 5)]
    world.clock.at = late.replace(minute=10)
    told(world, event("2", 1, 7, time=late.isoformat()))
    assert by_plan(world) == [("basic", 5), ("tiered", 7)]
    assert rated(world) == 1200


def test_a_plan_billed_by_quantity_leaves_it_to_one_billed_by_amount() -> None:
    metered = replace(TIERED, billing=BY_QUANTITY)
    world = world_of(replace(CATALOG, plans=(BASIC, metered)), "tiered")
    (result,) = told(world, event("1", 1, 5))
    assert [fault.pointer for fault in result.errors] == ["/unitPrice"]
    assert "billed by quantity" in result.errors[0].message
    (tiered,) = world.record(AccountCode("acme")).plans
    plans = (tiered, AccountPlan("two", PlanCode("basic"), tiered.start))
    world.change(AccountCode("acme"), plans=plans)
    world.process = world.boot()
    assert told(world, event("1", 1, 5))[0].outcome == "accepted"
    assert by_plan(world) == [("basic", 5)]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"unit": None}, "/unit"),
        ({"unit": ""}, "/unit"),
        ({"unit": "x" * 65}, "/unit"),
        ({"currency": "GBP"}, "/currency"),
        ({"currency": D(1)}, "/currency"),
        ({"quantity": D(-1)}, "/quantity"),
        ({"quantity": "many"}, "/quantity"),
        ({"quantity": D(10) ** 9, "unitPrice": D(1000)}, "/quantity"),
        ({"unitPrice": D("0.0000000001")}, "/unitPrice"),
        ({"billable": "yes"}, "/billable"),
        ({"meter": "tokens"}, "/meter"),
        ({"data": {}}, "/data"),
        ({"color": "red"}, "/color"),
        ({"account": None}, "/account"),
    ],
)
def test_what_cannot_be_used(fields: dict[str, object], pointer: str) -> None:
    (result,) = told(world_of(), event("1", 1, 1) | fields)
    assert result.outcome == "invalid"
    assert pointer in [fault.pointer for fault in result.errors]


def test_a_cloud_event_of_its_meter_is_the_same() -> None:
    world = world_of()
    data = {"unit": "kWh", "currency": "USD", "quantity": D(2), "unitPrice": D(3)}
    cloud = {"specversion": "1.0", "id": "1", "source": "s", "subject": "acme", "type": "custom"}
    (result,) = told(world, {**cloud, "time": START.isoformat(), "data": data})
    assert result.outcome == "accepted"
    assert [line.before for line in lines(world)] == [6]


def test_late_custom_usage_of_a_locked_bill_is_an_adjustment() -> None:
    world = world_of()
    told(world, event("1", 1, 5))
    world.clock.at = datetime(2026, 4, 1, 0, 5, tzinfo=UTC)
    world.run()
    bills = world.process.bills
    for bill in reversed(bills.make(AccountCode("acme"), Wanted(world.clock.now()))):
        bills.approve(bill.id, "anna")
        bills.lock(bill.id, "anna")
    told(world, event("2", 1, 7))
    world.next_run()
    (running,) = bills.preview(AccountCode("acme"))
    assert [line.before for line in running.lines if line.before] == [7]
    assert "late, for 2026-03" in running.lines[-1].description


@pytest.mark.parametrize(
    ("priced", "pointer"),
    [
        (Pricing(AggregationCode("total"), Custom()), "charge"),
        (Pricing(CUSTOM_USAGE, PerUnit(D(1))), "charge"),
        (Pricing(CUSTOM_USAGE, Custom(), terms=LineTerms(minimum=D(1))), "terms/minimum"),
        (Pricing(CUSTOM_USAGE, Custom(), terms=LineTerms(included=D(1))), "terms/included"),
    ],
)
def test_plans_that_price_it_wrongly(priced: Pricing, pointer: str) -> None:
    plan = replace(BASIC, pricing=(priced,))
    pointers = [fault.pointer for fault in faults_of(replace(CATALOG, plans=(plan,)))]
    assert pointers == [f"/plans/0/pricing/0/{pointer}"]


def test_its_codes_are_taken() -> None:
    mine = replace(CATALOG.aggregations[0], code=CUSTOM_USAGE)
    catalog = replace(
        CATALOG,
        meters=(*CATALOG.meters, replace(CATALOG.meters[0], code="custom")),  # type: ignore[arg-type]  # any text does
        aggregations=(*CATALOG.aggregations, mine),
    )
    pointers = {fault.pointer for fault in faults_of(catalog)}
    assert {"/meters/1/code", "/aggregations/1/code"} <= pointers
