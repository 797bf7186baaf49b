"""From what an account owes to the units of each dimension."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from shared.domain.catalog.billing import AmountBilling
from shared.domain.ids import AccountCode, DimensionId, PlanCode, Resource, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.ledger import LedgerKey
from shared.domain.money import ONE
from shared.domain.period import Period
from shared.domain.rating.draw_down import DrawDown
from shared.domain.rating.entry import Entry, EntryKind
from shared.domain.rating.locked import DimensionAmount, LockedBill
from shared.domain.rating.statement import Statement
from shared.domain.rating.totals import totals

T = datetime(2026, 3, 1, tzinfo=UTC)
MARCH = Period(T, datetime(2026, 4, 1, tzinfo=UTC))
SOLD = Subscription(
    SubscriptionId("sub"), "offer", (PlanSpell("standard", T),), SubscriptionStatus.SUBSCRIBED
)
CENTS = AmountBilling()
DOLLARS = AmountBilling(unit_price=Decimal(1))
OTHER = AmountBilling(DimensionId("other"))
FEE = LedgerKey(Resource("sub"), DimensionId("usage_fee"))


def entry(billing: AmountBilling, amount: str, *, closed: bool = False) -> Entry:
    return Entry(
        kind=EntryKind.USAGE,
        key=f"usage|{amount}",
        account=AccountCode("acme"),
        attachment="p1",
        plan=PlanCode("basic"),
        at=T,
        amount=Decimal(amount),
        product=None,
        period=MARCH,
        whole=MARCH,
        billing=billing,
        closed=closed,
    )


def statement(*entries: Entry, dollar: Decimal = ONE) -> Statement:
    return Statement(SOLD, (), "USD", DrawDown(entries, ()), (), {}, {MARCH: dollar}, None)


def owed(*amounts: tuple[AmountBilling, str]) -> dict[LedgerKey, Decimal]:
    return totals(statement(*(entry(billing, amount) for billing, amount in amounts)))


def test_no_period_owes_nothing_at_all() -> None:
    assert owed() == {}


def test_a_cent_is_a_unit() -> None:
    assert owed((CENTS, "100.00")) == {FEE: 10_000}


def test_all_periods_and_plans_add_up_in_one_dimension() -> None:
    assert owed((CENTS, "1.10"), (CENTS, "0"), (CENTS, "2.05")) == {FEE: 315}


def test_parts_of_a_unit_wait_until_they_are_whole() -> None:
    assert owed((DOLLARS, "0.60")) == {FEE: 0}
    assert owed((DOLLARS, "0.60"), (DOLLARS, "0.60")) == {FEE: 1}


def test_units_of_different_prices_are_whole_each() -> None:
    assert owed((DOLLARS, "1.60"), (CENTS, "0.55")) == {FEE: 56}


def test_dimensions_are_told_apart() -> None:
    other = replace(FEE, dimension=DimensionId("other"))
    assert owed((CENTS, "1"), (OTHER, "2")) == {FEE: 100, other: 200}


def test_a_unit_that_does_not_divide_the_amount() -> None:
    thirds = AmountBilling(unit_price=Decimal("0.03"))
    assert owed((thirds, "1.00")) == {FEE: 33}
    assert owed((thirds, "0.99")) == {FEE: 33}


def test_another_currency_is_floored_until_all_of_the_period_is_closed() -> None:
    rate = Decimal("1.1")
    parts = entry(CENTS, "1.05"), entry(CENTS, "0.32")
    assert totals(statement(*parts, dollar=rate)) == {FEE: 150}
    closed = tuple(replace(part, closed=True) for part in parts)
    assert totals(statement(*closed, dollar=rate)) == {FEE: 151}


def test_a_locked_bill_counts_with_what_it_froze() -> None:
    due = DimensionAmount(DimensionId("usage_fee"), Decimal("0.01"), Decimal("7.00"))
    bill = LockedBill("b1", SOLD.id, MARCH, (entry(CENTS, "9.00"),), (due,))
    assert totals(replace(statement(entry(CENTS, "1.00")), locked=(bill,))) == {FEE: 800}


def test_units_are_told_by_dimension_and_plan() -> None:
    hours = DimensionId("hours")
    units = {(hours, "standard"): Decimal("1.5"), (hours, "scale"): Decimal(2)}
    assert totals(replace(statement(), units=units)) == {
        LedgerKey(Resource("sub"), hours, "standard"): Decimal("1.5"),
        LedgerKey(Resource("sub"), hours, "scale"): 2,
    }
