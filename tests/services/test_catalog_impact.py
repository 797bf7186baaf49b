"""What a version would do to accounts that exist: refused with the reason, or done knowingly."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.billing import QuantityBilling, QuantityDimension
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, FieldCategory, Meter
from shared.domain.catalog.plan import AmountBilling, Plan, Pricing
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import AccountCode, AggregationCode, DimensionId, FieldCode, PlanCode
from shared.domain.period import DAY, HOUR
from shared.domain.rating.per_unit import PerUnit
from shared.domain.usage.aggregate import AggregationType
from shared.services.bills import Wanted
from shared.services.catalog import SUBJECT, CatalogChange, Intent
from tests.services.world import BASIC, CATALOG, CHEAP, START, TIERED, TOKENS, World, catalog_of

MODEL = FieldCode("model")
MARCH_5 = datetime(2026, 3, 5, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def put(
    world: World, catalog: Catalog, since: datetime | None = None, **intent: bool
) -> CatalogChange:
    return world.process.put_catalog(catalog, Intent("ada", since, **intent))


def refused(
    world: World, catalog: Catalog, since: datetime | None = None, **intent: bool
) -> Sequence[FieldError]:
    """Why a version is refused, which changes nothing."""
    before = world.catalogs.heads()
    with pytest.raises(InvalidInput) as raised:
        put(world, catalog, since, **intent)
    assert world.catalogs.heads() == before
    return raised.value.fields


def priced(price: str) -> Plan:
    return replace(BASIC, pricing=(Pricing(AggregationCode("total"), PerUnit(Decimal(price))),))


def by_model(*fields: FieldCode) -> Catalog:
    """Tokens with a model; a sum of them divided by ``fields``."""
    given = (
        DataField(FieldCode("n"), FieldCategory.MEASURE),
        DataField(MODEL, FieldCategory.WHAT, required=False),
    )
    divided = Aggregation(
        AggregationCode("split"), TOKENS, AggregationType.SUM, FieldCode("n"),
        segmented_fields=fields, segments=({MODEL: "*"},) if fields else (),
    )  # fmt: skip
    meters = (Meter(TOKENS, given),)
    return replace(CATALOG, meters=meters, aggregations=(*CATALOG.aggregations, divided))


# --- what accounts have


def test_a_plan_that_somebody_has_is_not_taken_out_by_oversight() -> None:
    world = World()
    world.account("acme")
    (fault,) = refused(world, catalog_of(TIERED))
    assert fault.pointer == "/plans"
    assert "plan basic is missing, and account acme has it" in fault.message
    assert refused(world, catalog_of(TIERED), dry_run=True) == (fault,)


def test_many_who_have_it_are_counted() -> None:
    world = World()
    for number in range(5):
        world.account(f"a{number}")
    (fault,) = refused(world, catalog_of(TIERED))
    assert "5 accounts (a0, a1, a2, …) have it" in fault.message


def test_a_plan_is_withdrawn_knowingly_and_goes_on() -> None:
    world = World()
    account = world.customer()
    put(world, catalog_of(TIERED), withdraw=True)
    (entry,) = world.trail.of(SUBJECT)
    assert entry.detail["withdraw"] == "true"
    world.clock.advance(HOUR)
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 100


@pytest.mark.parametrize(
    ("end", "taken"),
    [
        pytest.param(START, True, id="over"),
        pytest.param(START + HOUR, True, id="ends when the version begins"),
        pytest.param(START + 2 * HOUR, False, id="ends later"),
        pytest.param(None, False, id="for good"),
    ],
)
def test_whose_plan_has_ended_is_asked_for_nothing(end: datetime | None, *, taken: bool) -> None:
    world = World()
    account = world.account("acme")
    plan = AccountPlan("acme.1", PlanCode("basic"), START - DAY, end)
    world.change(account, plans=(plan,))
    if taken:
        assert put(world, catalog_of(TIERED)).new
    else:
        assert refused(world, catalog_of(TIERED))


@pytest.mark.parametrize(("hours", "taken"), [(0, True), (1, True), (2, False)])
def test_who_has_cancelled_is_asked_for_nothing(hours: int, *, taken: bool) -> None:
    world = World()
    account = world.account("acme")
    plan = AccountPlan("lab.1", PlanCode("basic"), START)
    lab = Account(AccountCode("lab"), parent=account)
    world.accounts.create(AccountRecord(lab, (plan,)))
    sold = world.record(account).subscriptions[0]
    world.change(account, subscriptions=(replace(sold, end=START + hours * HOUR),))
    if taken:
        assert put(world, catalog_of(TIERED)).new
    else:
        (fault,) = refused(world, catalog_of(TIERED))
        assert "2 accounts (acme, lab)" in fault.message


def test_a_plan_that_no_version_ever_had_is_no_hindrance() -> None:
    world = World()
    world.account("acme", plan="of a lost catalogue")
    assert put(world, catalog_of(TIERED)).new
    assert put(world, CATALOG, START - HOUR).new


def test_what_is_not_taken_out_reads_no_account() -> None:
    world = World()
    world.account("acme")
    world.journal.forget()
    put(world, catalog_of(priced("0.5"), TIERED))
    assert world.journal.count("accounts.attachments", "accounts.locked_bills") == 0


def test_a_meter_that_a_withdrawn_plan_needs_is_kept() -> None:
    world = World()
    world.account("acme")
    put(world, catalog_of(TIERED), withdraw=True)
    gone = replace(CATALOG, meters=(), aggregations=(), plans=())
    faults = refused(world, gone)
    assert [fault.pointer for fault in faults] == ["/meters"]
    assert "usage of meter tokens" in faults[0].message
    assert put(world, gone, withdraw=True).new


def test_a_division_that_a_withdrawn_plan_needs_is_kept() -> None:
    split = Pricing(AggregationCode("split"), CHEAP, {MODEL: "*"})
    divided = by_model(MODEL)
    world = World(catalog=replace(divided, plans=(replace(BASIC, pricing=(split,)), TIERED)))
    world.account("acme")
    put(world, replace(divided, plans=(TIERED,)), withdraw=True)
    assert put(world, replace(divided, plans=(priced("3"),)), dry_run=True).new
    (fault,) = refused(world, replace(by_model(), plans=(TIERED,)))
    assert fault.pointer == "/meters"
    whole = catalog_of(TIERED)
    assert refused(world, whole)


# --- what is billed


def quantity(dimension: str) -> QuantityBilling:
    one = QuantityDimension(DimensionId(dimension), AggregationCode("total"))
    return QuantityBilling((one,))


@pytest.mark.parametrize(
    "billing",
    [
        pytest.param(AmountBilling(DimensionId("fee")), id="another dimension"),
        pytest.param(AmountBilling(unit_price=Decimal("0.1")), id="another unit"),
        pytest.param(quantity("usage_fee"), id="units"),
        pytest.param(quantity("tokens"), id="units of another dimension"),
    ],
)
def test_what_is_billed_is_not_billed_again_through_another_dimension(
    billing: AmountBilling | QuantityBilling,
) -> None:
    world = World()
    account = world.customer()
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 100
    pricing = () if isinstance(billing, QuantityBilling) else BASIC.pricing
    moved = catalog_of(replace(BASIC, billing=billing, pricing=pricing), TIERED)
    (fault,) = refused(world, moved, START)
    assert fault.pointer == "?effectiveFrom"
    assert "would be billed again" in fault.message
    put(world, moved)
    world.next_run(3)
    assert world.marketplace.total(world.record(account).subscriptions[0].id, "usage_fee") == 100


def rated(world: World, account: AccountCode) -> dict[str, Decimal]:
    """Units due by dimension."""
    return {key.dimension: row.rated for key, row in world.rows(account).items()}


def by_quantity(*dimensions: str) -> Catalog:
    """A plan that reports all tokens through ``tokens`` and their events through ``events``."""
    of = {"events": AggregationCode("count")}
    made = QuantityBilling(
        tuple(
            QuantityDimension(DimensionId(d), of.get(d, AggregationCode("total")))
            for d in dimensions
        )
    )
    count = Aggregation(AggregationCode("count"), TOKENS, AggregationType.COUNT)
    made_of = catalog_of(replace(BASIC, billing=made, pricing=()))
    return replace(made_of, aggregations=(*made_of.aggregations, count))


def test_a_dimension_that_is_taken_out_keeps_what_it_was_told() -> None:
    world = World(catalog=by_quantity("tokens"))
    account = world.customer()
    world.use(account, 100)
    put(world, by_quantity("words"))
    world.next_run()
    world.use(account, 30)
    world.use(account, 7, START + timedelta(minutes=59))
    world.next_run()
    assert rated(world, account) == {"tokens": 107, "words": 30}
    put(world, CATALOG)
    world.next_run()
    world.use(account, 500)
    world.next_run()
    assert rated(world, account) == {"tokens": 107, "words": 30, "usage_fee": 500}


def test_dimensions_in_another_order_are_told_nothing_of_each_other() -> None:
    world = World(catalog=by_quantity("tokens", "events"))
    account = world.customer()
    world.use(account, 100)
    world.next_run()
    assert rated(world, account) == {"tokens": 100, "events": 1}
    put(world, by_quantity("events", "tokens"))
    world.next_run()
    world.use(account, 30)
    world.next_run()
    assert rated(world, account) == {"tokens": 130, "events": 2}
    put(world, by_quantity("words", "events", "tokens"))
    world.next_run()
    world.use(account, 3)
    world.next_run()
    assert rated(world, account) == {"tokens": 133, "events": 3, "words": 3}


def test_a_dimension_of_a_plan_that_nobody_has_may_change() -> None:
    world = World()
    world.account("acme")
    fee = replace(TIERED, billing=AmountBilling(DimensionId("fee")))
    assert put(world, catalog_of(BASIC, fee), START - HOUR).new


# --- what is locked


def locked(catalog: Catalog = CATALOG) -> World:
    """March of acme is locked; it is April."""
    world = World(catalog=catalog)
    account = world.account("acme")
    sold = replace(world.record(account).subscriptions[0], start=START)
    plan = replace(world.record(account).plans[0], start=START)
    world.change(account, subscriptions=(sold,), plans=(plan,))
    world.clock.at = MARCH_5
    world.use(account, 1000)
    world.next_run()
    world.clock.at = APRIL + timedelta(minutes=5)
    world.run()
    (bill,) = world.process.bills.make(account, Wanted(world.clock.now()))
    world.process.bills.approve(bill.id, "anna")
    world.process.bills.lock(bill.id, "anna")
    world.clock.at = APRIL + DAY
    return world


def test_a_price_of_a_locked_bill_is_not_changed() -> None:
    world = locked()
    (fault,) = refused(world, catalog_of(priced("0.02"), TIERED), APRIL - DAY)
    assert fault.pointer == "?effectiveFrom"
    assert "acme.202603010000.202604010000" in fault.message
    assert "take 2026-04-01T00:00:00+00:00 or later" in fault.message
    assert put(world, catalog_of(priced("0.02"), TIERED), APRIL).new


def test_what_changes_no_price_of_a_locked_bill_may_begin_then() -> None:
    world = locked()
    named = replace(CATALOG, organization=replace(CATALOG.organization, name="Fabrikam"))
    assert put(world, named, APRIL - DAY).new
    dearer = replace(TIERED, pricing=(Pricing(AggregationCode("total"), CHEAP),))
    assert put(world, replace(named, plans=(BASIC, dearer)), APRIL - DAY).new


def test_a_bill_that_is_not_locked_may_change() -> None:
    world = World()
    account = world.account("acme")
    world.use(account, 1000)
    world.clock.at = APRIL + DAY
    world.run()
    world.process.bills.make(AccountCode("acme"), Wanted(world.clock.now()))
    assert put(world, catalog_of(priced("0.02"), TIERED), APRIL - DAY).new


def test_usage_of_a_locked_bill_is_not_divided_anew() -> None:
    """Late usage of it is priced as it was, by what stored usage then no longer had."""
    world = locked(replace(by_model(), plans=(BASIC, TIERED)))
    (fault,) = refused(world, replace(by_model(MODEL), plans=(BASIC, TIERED)), APRIL - DAY)
    assert "locked" in fault.message
    assert put(world, replace(by_model(MODEL), plans=(BASIC, TIERED)), APRIL).new
