"""From what an account owes to the units of each dimension."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from shared.domain.account import AccountPlan
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import AmountBilling, Plan
from shared.domain.catalog.resolve import resolve_plan
from shared.domain.ids import DimensionId, PlanCode, ProductCode, Resource, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.ledger import LedgerKey
from shared.domain.rating.rate import Rated, RatedPeriod
from shared.domain.rating.totals import totals

T = datetime(2026, 3, 1, tzinfo=UTC)
SOLD = Subscription(
    SubscriptionId("sub"), "offer", (PlanSpell("standard", T),), SubscriptionStatus.SUBSCRIBED
)
CONTOSO = Organization("contoso")
CENTS = Plan(PlanCode("cents"), ProductCode("ai"), ())
DOLLARS = replace(CENTS, billing=AmountBilling(unit_price=Decimal(1)))
OTHER = replace(CENTS, billing=AmountBilling(DimensionId("other")))
FEE = LedgerKey(Resource("sub"), DimensionId("usage_fee"))


def owed(*periods: tuple[Plan, str]) -> dict[LedgerKey, Decimal]:
    attached = AccountPlan("p1", PlanCode("cents"), T)
    rated = tuple(
        RatedPeriod(attached, resolve_plan(plan, None, CONTOSO), Decimal(total), None)
        for plan, total in periods
    )
    return totals(Rated(SOLD, rated))


def test_no_period_owes_nothing_at_all() -> None:
    assert owed() == {}


def test_a_cent_is_a_unit() -> None:
    assert owed((CENTS, "100.00")) == {FEE: 10_000}


def test_all_periods_and_plans_add_up_in_one_dimension() -> None:
    assert owed((CENTS, "1.10"), (CENTS, "0"), (replace(CENTS, code=PlanCode("x")), "2.05")) == {
        FEE: 315
    }


def test_parts_of_a_unit_wait_until_they_are_whole() -> None:
    assert owed((DOLLARS, "0.60")) == {FEE: 0}
    assert owed((DOLLARS, "0.60"), (DOLLARS, "0.60")) == {FEE: 1}


def test_units_of_different_prices_are_whole_each() -> None:
    assert owed((DOLLARS, "1.60"), (CENTS, "0.55")) == {FEE: 56}


def test_dimensions_are_told_apart() -> None:
    other = replace(FEE, dimension=DimensionId("other"))
    assert owed((CENTS, "1"), (OTHER, "2")) == {FEE: 100, other: 200}


def test_a_unit_that_does_not_divide_the_amount() -> None:
    thirds = replace(CENTS, billing=AmountBilling(unit_price=Decimal("0.03")))
    assert owed((thirds, "1.00")) == {FEE: 33}
    assert owed((thirds, "0.99")) == {FEE: 33}
