"""What an account owes: charges by time, minimums, trials, grants, quantities, currencies."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.account import Account, AccountPlan
from shared.domain.catalog.billing import (
    Included,
    QuantityBilling,
    QuantityDimension,
    Waterfall,
    WaterfallStep,
)
from shared.domain.catalog.charges import (
    Due,
    FreeTrial,
    Milestone,
    MinimumSpend,
    Recurrence,
    Recurring,
    StandingCharge,
    Timing,
    Upfront,
)
from shared.domain.catalog.organization import ExchangeRate
from shared.domain.catalog.plan import PricingKind
from shared.domain.errors import InvalidInput
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import AccountCode, AggregationCode, DimensionId, PlanCode, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell
from shared.domain.metering.ledger import LedgerKey
from shared.domain.period import HOUR, Frequency
from shared.domain.rating.charge import Band
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.statement import Member, state
from shared.domain.rating.tiered import Tiered
from tests.customers import (
    CONTOSO,
    REFUNDS,
    Customer,
    amounts,
    plan_of,
    price,
    utc,
)

D = Decimal
MINUTE = timedelta(minutes=1)


def standing(amount: int, **fields: Any) -> StandingCharge:  # noqa: ANN401 - its fields
    return StandingCharge(D(amount), **fields)


# --- standing charges (semantics, rules 11 and 12)


def test_in_arrears_a_charge_is_due_when_its_period_ends() -> None:
    customer = Customer(plan_of(standing_charge=standing(31)))
    assert customer.cents(utc(3, 31, 23)) == 0
    assert customer.cents(utc(4, 1)) == 3100
    assert customer.cents(utc(5, 1)) == 6200


def test_in_advance_a_charge_is_due_when_its_period_begins() -> None:
    customer = Customer(plan_of(standing_charge=standing(31, timing=Timing.IN_ADVANCE)))
    assert customer.cents(utc(3, 1, 1)) == 3100
    assert customer.cents(utc(4, 1, 1)) == 6200


def test_a_charge_is_prorated_at_both_ends() -> None:
    customer = Customer(plan_of(standing_charge=standing(31)), utc(3, 22), end=utc(5, 16))
    assert customer.cents(utc(4, 1)) == 1000
    assert customer.cents(utc(6, 1)) == 1000 + 3100 + 1500


def test_days_are_counted_in_the_account_s_zone() -> None:
    """At 23:00 UTC of the 21st it is the 22nd in Berlin, which has 10 days to go."""
    berlin = Account(AccountCode("acme"), time_zone="Europe/Berlin")
    customer = Customer(plan_of(standing_charge=standing(31)), utc(3, 21, 23), account=berlin)
    assert customer.cents(utc(4, 1)) == 1000


def test_every_third_period_from_an_offset_on() -> None:
    quarterly = standing(90, interval=3, offset=1, timing=Timing.IN_ADVANCE)
    customer = Customer(plan_of(standing_charge=quarterly))
    got = [customer.cents(utc(month, 2)) for month in range(3, 9)]
    assert got == [0, 9000, 9000, 9000, 18000, 18000]


def test_a_charge_of_its_own_frequency() -> None:
    weekly = standing(7, frequency=Frequency.WEEKLY)
    customer = Customer(plan_of(standing_charge=weekly), organization=CONTOSO)
    assert customer.cents(utc(3, 5)) == 400, "weeks begin on the epoch's weekday, a Thursday"
    assert customer.cents(utc(3, 12)) == 1100


def test_a_cancellation_takes_back_what_was_paid_in_advance() -> None:
    customer = Customer(plan_of(standing_charge=standing(31, timing=Timing.IN_ADVANCE)))
    assert customer.cents(utc(3, 11)) == 3100
    assert replace(customer, end=utc(3, 11)).cents(utc(3, 11)) == 1000


# --- minimum spend (rules 10 and 14a)


def test_the_top_up_counts_only_when_the_period_closes() -> None:
    customer = Customer(plan_of(minimum_spend=MinimumSpend(D(100))))
    customer.use(utc(3, 5), 30)
    assert customer.cents(utc(3, 31, 23)) == 3000
    assert amounts(customer.state(utc(4, 1))) == [("USAGE", "30"), ("MINIMUM", "70")]
    assert customer.cents(utc(4, 1)) == 10000


def test_a_minimum_is_prorated_when_a_period_is_cut_short() -> None:
    customer = Customer(plan_of(minimum_spend=MinimumSpend(D(100))), utc(4, 1), end=utc(4, 11))
    customer.use(utc(4, 5), 20)
    assert customer.cents(utc(4, 11)) == 3333


def test_late_usage_shrinks_the_top_up() -> None:
    customer = Customer(plan_of(minimum_spend=MinimumSpend(D(100))))
    customer.use(utc(3, 5), 30)
    assert customer.cents(utc(4, 2)) == 10000
    late = customer.use(utc(3, 6), 50)
    assert customer.cents(utc(4, 2), [late]) == 10000


def test_a_price_change_at_the_moment_of_rating_closes_nothing() -> None:
    dearer = price(PerUnit(D(2)), from_=date(2026, 3, 15))
    customer = Customer(plan_of(price(), dearer, minimum_spend=MinimumSpend(D(100))))
    assert customer.cents(utc(3, 15)) == 0


# --- free trial (rule 14)


def test_usage_of_the_trial_is_shown_and_fills_no_bands() -> None:
    tiers = Tiered((Band(D("0.1"), D(500)), Band(D("0.01"))))
    customer = Customer(plan_of(price(tiers), free_trial=FreeTrial(10)))
    customer.use(utc(3, 5), 900)
    customer.use(utc(3, 15), 200)
    statement = customer.state(utc(3, 20))
    assert customer.cents(utc(3, 20)) == 2000
    shown = [p.bill.lines[0].quantity for m in statement.members for p in m.periods if p.bill]
    assert [p.window.free for m in statement.members for p in m.periods] == [True, False]
    assert shown == [200] or shown == [900, 200]


def test_the_first_day_counts_as_a_day_of_the_trial() -> None:
    customer = Customer(plan_of(free_trial=FreeTrial(1)), utc(3, 5, 22))
    customer.use(utc(3, 5, 23), 5)
    customer.use(utc(3, 6), 7)
    assert customer.cents(utc(3, 7)) == 700


def test_who_comes_back_has_no_second_trial() -> None:
    plan = plan_of(free_trial=FreeTrial(5))
    twice = (
        AccountPlan("p1", plan.code, utc(3, 1), utc(3, 3)),
        AccountPlan("p2", plan.code, utc(3, 10)),
    )
    customer = Customer(plan, plans=twice)
    customer.use(utc(3, 2), 5)
    customer.use(utc(3, 11), 7)
    assert customer.cents(utc(3, 12)) == 700


def test_charges_by_time_begin_after_the_trial() -> None:
    fee, least = standing(31, timing=Timing.IN_ADVANCE), MinimumSpend(D(62))
    plan = plan_of(standing_charge=fee, minimum_spend=least, free_trial=FreeTrial(21))
    customer = Customer(plan)
    assert customer.cents(utc(3, 10)) == 0
    assert customer.cents(utc(3, 22)) == 1000
    assert customer.cents(utc(3, 31, 23)) == 1000
    assert amounts(customer.state(utc(4, 1)), "MINIMUM") == [("MINIMUM", "20")]


# --- scheduled and ad-hoc charges (rule 27)


def test_upfront_is_due_at_once_and_once() -> None:
    customer = Customer(plan_of(charges=(Upfront("setup", Due(D(50))),)), utc(3, 5, 10, 20))
    assert customer.cents(utc(3, 5, 10, 20) + MINUTE) == 5000
    assert customer.cents(utc(7, 1)) == 5000


@pytest.mark.parametrize(
    ("charge", "before", "after"),
    [
        (Milestone("m", Due(D(9)), on=date(2026, 4, 10)), utc(4, 9, 23), utc(4, 10)),
        (Milestone("m", Due(D(9)), after_days=40), utc(4, 9, 23, 59), utc(4, 10)),
    ],
)
def test_a_milestone(charge: Milestone, before: datetime, after: datetime) -> None:
    customer = Customer(plan_of(charges=(charge,)))
    assert (customer.cents(before), customer.cents(after)) == (0, 900)
    assert customer.cents(utc(9, 1)) == 900


@pytest.mark.parametrize(
    ("every", "interval", "until", "times"),
    [
        (Recurrence.HOURLY, 1, utc(3, 2), 25),
        (Recurrence.HOURLY, 6, utc(3, 2), 5),
        (Recurrence.DAILY, 1, utc(4, 1, 1), 32),
        (Recurrence.WEEKLY, 2, utc(3, 29), 3),
        (Recurrence.MONTHLY, 1, utc(5, 31), 3),
        (Recurrence.YEARLY, 1, utc(12, 31), 1),
    ],
)
def test_a_recurring_charge(every: Recurrence, interval: int, until: datetime, times: int) -> None:
    charge = Recurring("r", Due(D(1)), every, interval)
    customer = Customer(plan_of(charges=(charge,)))
    assert customer.cents(until) == times * 100


def test_monthly_on_the_31st_clamps_and_comes_back() -> None:
    charge = Recurring("r", Due(D(1)), Recurrence.MONTHLY)
    customer = Customer(plan_of(charges=(charge,)), utc(1, 31, 9))
    got = [
        customer.cents(moment)
        for moment in (utc(2, 28, 8), utc(2, 28, 9), utc(3, 30), utc(3, 31, 9), utc(4, 30, 9))
    ]
    assert got == [100, 200, 200, 300, 400]


def test_what_a_run_missed_is_in_the_next_total_once() -> None:
    charge = Recurring("r", Due(D(1)), Recurrence.DAILY)
    seen = Customer(plan_of(charges=(charge,)))
    daily = [seen.cents(utc(3, day, 1)) for day in range(1, 31)]
    late = Customer(plan_of(charges=(charge,)))
    assert late.cents(utc(3, 30, 1)) == daily[-1] == 3000


def test_a_single_charge_of_an_account() -> None:
    charges = (AdHocCharge("x", utc(3, 9, 12), Due(D("12.5")), description="Migration"),)
    customer = Customer(grants={"charges": charges})
    assert customer.cents(utc(3, 9, 11)) == 0
    assert amounts(customer.state(utc(3, 9, 12))) == [("AD_HOC", "12.5")]


def test_a_charge_that_an_earlier_subscription_paid_does_not_come_back() -> None:
    charges = (AdHocCharge("x", utc(2, 1), Due(D(5))),)
    customer = Customer(grants={"charges": charges})
    ended = replace(customer.subscription, start=utc(1, 1), end=utc(2, 10))
    old = replace(ended, id=SubscriptionId("old"))
    record = replace(customer.record, subscriptions=(old, customer.subscription))
    rated = customer.rate(utc(3, 5))
    member = Member(record, rated.periods)
    statement = state([member], rated.subscription, customer.timeline, utc(3, 5))
    assert amounts(statement) == []


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (utc(3, 1), utc(3, 10)),
        (utc(3, 10), utc(3, 20, 5)),
        (utc(3, 25), utc(4, 1)),
        (utc(4, 5), utc(5, 1)),
    ],
)
def test_when_the_next_charge_falls_due(now: datetime, due: datetime) -> None:
    plan = plan_of(
        standing_charge=standing(5),
        charges=(Milestone("m", Due(D(1)), on=date(2026, 3, 10)),),
    )
    later = (AdHocCharge("x", utc(3, 20, 5), Due(D(5))),)
    customer = Customer(plan, utc(2, 1), grants={"charges": later})
    assert customer.state(now).next_due == due


# --- prepayments and credits (rule 13)


def granted(**grants: Any) -> Customer:  # noqa: ANN401 - fields of the account
    return Customer(grants=grants)


def test_a_prepayment_pays_before_credits_and_neither_goes_below_zero() -> None:
    customer = granted(
        prepayments=(Prepayment("commit", D(50), utc(3, 1)),),
        credits=(Credit("gift", D(20), utc(3, 1)),),
    )
    customer.use(utc(3, 5), 60)
    statement = customer.state(utc(3, 6))
    assert statement.drawn.used == {"prepayment|commit": 50, "credit|gift": 10}
    assert customer.cents(utc(3, 6)) == 0
    customer.use(utc(3, 7), 30)
    assert customer.cents(utc(3, 8)) == 2000


def test_a_prepayment_s_end_is_exclusive() -> None:
    customer = granted(prepayments=(Prepayment("commit", D(50), utc(3, 1), utc(3, 10)),))
    customer.use(utc(3, 9, 23, 59), 5)
    customer.use(utc(3, 10), 7)
    assert customer.cents(utc(3, 20)) == 700


@pytest.mark.parametrize(("percent", "cents"), [("10", 4400), ("-50", 2000), ("0", 4000)])
def test_usage_beyond_a_prepayment_bears_its_surcharge(percent: str, cents: int) -> None:
    customer = granted(
        prepayments=(Prepayment("c", D(60), utc(3, 1), overage_surcharge_percent=D(percent)),)
    )
    customer.use(utc(3, 5), 100)
    assert customer.cents(utc(3, 6)) == cents


def test_a_credit_that_begins_later_pays_for_usage_from_then_on() -> None:
    tiers = Tiered((Band(D(1), D(100)), Band(D("0.5"))))
    customer = Customer(
        plan_of(price(tiers)), grants={"credits": (Credit("c", D(80), utc(3, 10)),)}
    )
    customer.use(utc(3, 5), 90)
    customer.use(utc(3, 12), 30)
    assert customer.cents(utc(3, 20)) == 9000, "10 at 1 and 20 at 0.50 are paid"
    assert customer.cents(utc(4, 2)) == 9000


def test_a_credit_that_begins_inside_an_hour_pays_for_that_hour() -> None:
    customer = granted(credits=(Credit("c", D(50), utc(3, 1, 10, 20)),))
    customer.start = utc(3, 1, 10, 20)
    customer.use(utc(3, 1, 10, 25), 5)
    assert customer.cents(utc(3, 1, 12)) == 0


def test_a_credit_given_for_an_ended_period_divides_its_record() -> None:
    customer = Customer()
    customer.use(utc(3, 5), 90)
    customer.use(utc(3, 12), 30)
    assert customer.cents(utc(4, 2)) == 12000
    customer.grants = {"credits": (Credit("c", D(50), utc(3, 10), utc(3, 20)),)}
    assert customer.cents(utc(4, 2)) == 9000


def test_a_credit_of_another_product_pays_nothing() -> None:
    customer = granted(credits=(Credit("c", D(50), utc(3, 1), products=("other",)),))  # type: ignore[arg-type]  # any code does
    customer.use(utc(3, 5), 10)
    assert customer.cents(utc(3, 6)) == 1000


def test_credits_pay_the_top_up_of_a_minimum() -> None:
    customer = Customer(
        plan_of(minimum_spend=MinimumSpend(D(100))),
        grants={"credits": (Credit("c", D(80), utc(3, 1)),)},
    )
    customer.use(utc(3, 5), 30)
    assert customer.cents(utc(3, 20)) == 0
    assert customer.cents(utc(4, 1)) == 2000


@pytest.mark.parametrize(
    ("kind", "cents"), [(PricingKind.PRODUCT_CREDIT, 600), (PricingKind.GLOBAL_CREDIT, 600)]
)
def test_a_price_can_be_a_credit(kind: PricingKind, cents: int) -> None:
    customer = Customer(plan_of(price(), price(PerUnit(D(2)), "refunds", kind)))
    customer.use(utc(3, 5), 10)
    customer.use(utc(3, 6), 2, REFUNDS)
    assert customer.cents(utc(3, 7)) == cents
    customer.use(utc(3, 6), 20, REFUNDS)
    assert customer.cents(utc(3, 8)) == 0


# --- quantities (rule 26)

HOURS = DimensionId("hours")


def by_quantity(
    included: Included | None,
    **fields: Any,  # noqa: ANN401 - fields of Plan
) -> Customer:
    dimension = QuantityDimension(HOURS, AggregationCode("units"), included=included)
    plan = plan_of(billing=QuantityBilling((dimension,)), **fields)
    return Customer(plan, utc(3, 10), sold={"term_start": utc(3, 10, 9), "term_unit": "P1Y"})


def hours(customer: Customer, as_of: datetime) -> Decimal:
    return sum(customer.totals(as_of).values(), D(0))


def test_an_included_quantity_refills_monthly_on_the_term_s_day() -> None:
    customer = by_quantity(Included(monthly=D(100)))
    customer.use(utc(3, 20), 90)
    assert hours(customer, utc(3, 21)) == 0
    customer.use(utc(4, 9), 20)
    assert hours(customer, utc(4, 9, 5)) == 10
    customer.use(utc(4, 10), 100)
    assert hours(customer, utc(4, 11)) == 10
    customer.use(utc(4, 11), "0.5")
    assert hours(customer, utc(4, 12)) == D("10.5")


def test_an_included_quantity_of_a_term() -> None:
    customer = by_quantity(Included(term=D(100)))
    for month in (3, 4, 5):
        customer.use(utc(month, 20), 40)
    assert [hours(customer, utc(m, 21)) for m in (3, 4, 5)] == [0, 0, 20]
    customer.use(utc(3, 15, year=2027), 100)
    assert hours(customer, utc(3, 16, year=2027)) == 20


def renewed(customer: Customer, start: datetime) -> None:
    """The Marketplace says that a term began at ``start``."""
    terms = customer.subscription.in_term(start, "P1M")
    customer.sold |= {"term_start": start, "terms": terms}


def test_terms_from_a_month_s_last_day_keep_it_through_short_months() -> None:
    customer = by_quantity(Included(monthly=D(100)))
    customer.start = utc(1, 31)
    customer.sold = {"term_start": utc(1, 31), "term_unit": "P1M"}
    customer.use(utc(2, 27), 130)
    customer.use(utc(3, 20), 70)
    customer.use(utc(3, 29), 60)
    assert hours(customer, utc(3, 30, 5)) == 60
    renewed(customer, utc(2, 28))
    assert hours(customer, utc(3, 30, 5)) == 60
    renewed(customer, utc(3, 31))
    customer.use(utc(4, 1), 130)
    assert hours(customer, utc(4, 2)) == 90


def test_terms_that_begin_on_another_day_leave_what_was_before() -> None:
    """As after a change of plan: no month that is over is divided anew."""
    customer = by_quantity(Included(monthly=D(100)))
    customer.use(utc(3, 12), 90)
    customer.use(utc(3, 20), 30)
    customer.use(utc(4, 9), 60)
    before = hours(customer, utc(4, 15))
    assert before == 80
    customer.use(utc(4, 12), 60)
    renewed(customer, utc(4, 18))
    assert hours(customer, utc(4, 17)) == before
    customer.use(utc(4, 19), 130)
    assert hours(customer, utc(4, 20)) == before + 30
    customer.use(utc(5, 17), 10)
    customer.use(utc(5, 18), 110)
    assert hours(customer, utc(5, 19)) == before + 30 + 10 + 10


def test_a_waterfall_divides_a_quantity_by_its_size() -> None:
    steps = (
        WaterfallStep(DimensionId("t1"), D(100)),
        WaterfallStep(DimensionId("t2"), D(200)),
        WaterfallStep(DimensionId("t3")),
    )
    fall = Waterfall(AggregationCode("units"), steps, included=Included(monthly=D(10)))
    customer = Customer(plan_of(billing=QuantityBilling(waterfalls=(fall,))))
    customer.use(utc(3, 5), 10)
    seen = [dict.fromkeys(("t1", "t2", "t3"), D(0))]
    for used in (100, "50.5", 100):
        customer.use(utc(3, 6), used)
        units = {key.dimension: n for key, n in customer.totals(utc(3, 7)).items()}
        seen.append(seen[0] | {str(k): v for k, v in units.items()})
    assert [list(s.values()) for s in seen] == [
        [0, 0, 0], [100, 0, 0], [100, D("50.5"), 0], [100, 100, D("50.5")],
    ]  # fmt: skip


def test_each_plan_counts_against_its_own_included_quantity() -> None:
    customer = by_quantity(Included(monthly=D(100)))
    first = AccountPlan("p1", PlanCode("basic"), utc(3, 10), utc(3, 20))
    customer.plans = (first, AccountPlan("p2", PlanCode("basic"), utc(3, 20)))
    spells = (PlanSpell("standard", utc(3, 10)), PlanSpell("scale", utc(3, 20)))
    customer.sold["spells"] = spells
    customer.use(utc(3, 12), 110)
    customer.use(utc(3, 22), 120)
    assert {key.plan: n for key, n in customer.totals(utc(3, 23)).items()} == {
        "standard": 10,
        "scale": 20,
    }


def test_scheduled_quantities() -> None:
    due = Due(dimension=HOURS, quantity=D(3))
    charge = Recurring("seats", due, Recurrence.MONTHLY)
    customer = by_quantity(None, charges=(charge,))
    customer.grants = {"charges": (AdHocCharge("x", utc(3, 15), Due(None, HOURS, D(7))),)}
    assert hours(customer, utc(3, 11)) == 3
    assert hours(customer, utc(4, 11)) == 13
    (key,) = customer.totals(utc(4, 11))
    assert key == LedgerKey(key.resource, HOURS, "standard")


# --- currencies (rules 14b and 24)


def euros(rate: str, *more: ExchangeRate) -> Customer:
    rates = (ExchangeRate("EUR", D(rate), date(2026, 1, 1)), *more)
    return Customer(plan_of(currency="EUR"), organization=replace(CONTOSO, exchange_rates=rates))


def test_the_rate_is_that_of_the_period_s_start() -> None:
    customer = euros("1.10", ExchangeRate("EUR", D("1.20"), date(2026, 3, 15)))
    customer.use(utc(3, 20), 10)
    customer.use(utc(4, 5), 10)
    assert customer.cents(utc(3, 25)) == 1100
    assert customer.cents(utc(4, 6)) == 1100 + 1200


def test_an_organization_in_another_currency_is_billed_in_it_and_told_in_dollars() -> None:
    rates = (ExchangeRate("EUR", D("1.105"), date(2026, 1, 1)),)
    contoso = replace(CONTOSO, currency="EUR", exchange_rates=rates)
    customer = Customer(organization=contoso, grants={"credits": (Credit("c", D(5), utc(3, 1)),)})
    customer.use(utc(3, 5), "6.01")
    assert customer.state(utc(3, 6)).currency == "EUR"
    assert customer.cents(utc(3, 6)) == 111, "1.01 at 1.105 is 1.11605, floored while open"
    assert customer.cents(utc(4, 1)) == 112


def test_a_missing_rate_is_loud() -> None:
    customer = euros("1.10")
    customer.organization = replace(
        CONTOSO, exchange_rates=(ExchangeRate("EUR", D(1), date(2026, 6, 1)),)
    )
    customer.use(utc(3, 5))
    with pytest.raises(InvalidInput, match="no exchange rate for EUR on 2026-03-01"):
        customer.state(utc(3, 6))


# --- families (rule 30)


def test_a_parent_pays_for_its_children() -> None:
    parent = Customer(grants={"credits": (Credit("family", D(5), utc(3, 1)),)})
    child = Customer(
        account=Account(AccountCode("child"), parent=AccountCode("acme")),
        grants={"credits": (Credit("own", D(3), utc(3, 1)),)},
    )
    parent.use(utc(3, 5), 10)
    child.use(utc(3, 6), 4)
    as_of = utc(3, 7)
    members = [
        Member(parent.record, parent.rate(as_of).periods),
        Member(
            replace(child.record, subscriptions=()), child.rate(as_of, payer=parent.record).periods
        ),
    ]
    statement = state(members, parent.subscription, parent.timeline, as_of)
    assert statement.drawn.used == {"credit|family": 5, "credit|child|own": 3}
    owed = [(str(entry.account), int(entry.amount)) for entry in statement.entries if entry.amount]
    assert owed == [("acme", 10), ("child", 4)]
    assert sum(due.dollars for due in statement.due()) == 6


def test_a_child_of_another_zone_stands_on_the_payer_s_bill() -> None:
    berlin = Account(AccountCode("child"), time_zone="Europe/Berlin", parent=AccountCode("acme"))
    parent = Customer()
    child = Customer(account=berlin)
    child.use(utc(3, 31, 21, 30), 4)
    child.use(utc(3, 31, 22, 30), 7)
    as_of = utc(4, 5)
    members = [
        Member(parent.record, parent.rate(as_of).periods),
        Member(
            replace(child.record, subscriptions=()), child.rate(as_of, payer=parent.record).periods
        ),
    ]
    statement = state(members, parent.subscription, parent.timeline, as_of)
    assert [whole.start for whole in statement.wholes()] == [utc(3, 1), utc(4, 1)]
    of_march, _ = statement.of(statement.wholes()[0])
    assert sum(entry.amount for entry in of_march) == 4


def test_hours_of_usage_are_not_lost_between_periods() -> None:
    """Every hour of a year belongs to exactly one period."""
    customer = Customer(account=Account(AccountCode("acme"), time_zone="Europe/Berlin"))
    at = customer.start
    while at < utc(12, 1):
        customer.use(at)
        at += 6 * HOUR
    assert customer.cents(utc(12, 1)) == customer.number * 100
