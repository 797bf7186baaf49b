"""Rating an account's life: windows, records, late usage, plan changes, and totals that grow."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan, Pricing
from shared.domain.catalog.timeline import Timeline
from shared.domain.errors import NotFound
from shared.domain.ids import (
    AccountCode,
    AggregationCode,
    FieldCode,
    MeterCode,
    PlanCode,
    ProductCode,
    SubscriptionId,
)
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.period import HOUR, Frequency, Period, cell_of, day_of, hour_of
from shared.domain.rating.bill import PeriodRecord
from shared.domain.rating.charge import Band
from shared.domain.rating.models import QuantityModel
from shared.domain.rating.package import Block, Package
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.rate import Rated, plan_rating, rate, usage_span
from shared.domain.rating.stairstep import Stairstep, Step
from shared.domain.rating.statement import Member, Statement, state
from shared.domain.rating.tiered import Tiered
from shared.domain.rating.totals import totals
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial, merged

TOKENS, CALLS = MeterCode("tokens"), MeterCode("calls")
KOLKATA = "Asia/Kolkata"


def utc(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def pricing(aggregation: str, charge: QuantityModel) -> Pricing:
    return Pricing(AggregationCode(aggregation), charge)


def plan(code: str, *prices: Pricing, frequency: Frequency = Frequency.MONTHLY) -> Plan:
    return Plan(PlanCode(code), ProductCode("ai"), prices, frequency=frequency)


CENT = PerUnit(Decimal("0.01"))
MILL = PerUnit(Decimal("0.001"))
CATALOG = Catalog(
    Organization("contoso", epoch=date(2026, 1, 1)),
    aggregations=(
        Aggregation(AggregationCode("tokens"), TOKENS, AggregationType.SUM, FieldCode("n")),
        Aggregation(AggregationCode("calls"), CALLS, AggregationType.COUNT),
    ),
    plans=(
        plan("basic", pricing("tokens", CENT)),
        plan("dear", pricing("tokens", PerUnit(Decimal("0.10")))),
        plan("mill", pricing("tokens", MILL), pricing("calls", MILL)),
        plan("daily", pricing("tokens", MILL), frequency=Frequency.DAILY),
        plan("lost", pricing("nothing", CENT)),
    ),
)

TIMELINE = Timeline.of(CATALOG)


@dataclass(slots=True)
class Customer:
    """An account with usage, rated as the hourly run does, records kept between ratings."""

    start: datetime = datetime(2026, 3, 5, 10, 20, tzinfo=UTC)
    end: datetime | None = None
    plan: str = "basic"
    zone: str | None = None
    plans: tuple[AccountPlan, ...] = ()
    catalog: Catalog = CATALOG
    records: dict[str, PeriodRecord] = field(default_factory=dict)
    cells: dict[tuple[MeterCode, datetime], Partial] = field(default_factory=dict)
    number: int = 0

    def use(self, time: datetime, n: object = 1, meter: MeterCode = TOKENS) -> datetime:
        """One event; returns the hour that its mark names."""
        self.number += 1
        event = UsageEvent(
            f"e{self.number}", AccountCode("acme"), meter, time, {"n": Decimal(str(n))}
        )
        cell = cell_of(time, 15 if self.zone == KOLKATA else 60)
        self.cells.setdefault((meter, cell), Partial()).add(event)
        return hour_of(time)

    @property
    def record(self) -> AccountRecord:
        status = SubscriptionStatus.SUBSCRIBED if self.end is None else (
            SubscriptionStatus.UNSUBSCRIBED
        )  # fmt: skip
        spell = PlanSpell("standard", self.start)
        sold = Subscription(
            SubscriptionId("sub"), "offer", (spell,), status, start=self.start, end=self.end
        )
        attached = AccountPlan("p1", PlanCode(self.plan), hour_of(self.start))
        account = Account(AccountCode("acme"), time_zone=self.zone)
        return AccountRecord(account, self.plans or (attached,), (sold,), dict(self.records))

    def rate(self, as_of: datetime, changed: Sequence[datetime] = ()) -> Rated:
        """Rate from exactly the days that rating asks for, and keep the new records."""
        record = self.record
        steps = plan_rating(record, Timeline.of(self.catalog), as_of, changed)
        span = usage_span(steps, as_of)
        usage = [
            CellUsage(meter, "", start, merged([partial]))
            for (meter, start), partial in self.cells.items()
            if span is not None and span[0] <= day_of(start) <= span[1]
        ]
        assert record.subscription is not None
        rated = rate(record.subscription, steps, usage, as_of)
        self.records |= {kept.key: kept for kept in rated.records}
        return rated

    def units(self, as_of: datetime, changed: Sequence[datetime] = ()) -> int:
        """Cents owed."""
        return int(sum(totals(self.state(as_of, changed)).values()))

    def state(self, as_of: datetime, changed: Sequence[datetime] = ()) -> Statement:
        """Everything owed."""
        rated = self.rate(as_of, changed)
        member = Member(self.record, rated.periods)
        return state([member], rated.subscription, Timeline.of(self.catalog), as_of)


def windows(rated: Rated) -> list[Period | None]:
    return [period.bill.window if period.bill else None for period in rated.periods]


# --- windows


def test_nothing_before_the_start() -> None:
    customer = Customer()
    assert plan_rating(customer.record, TIMELINE, customer.start - HOUR) == ()
    pending = replace(customer.record.subscriptions[0], start=None)
    record = replace(customer.record, subscriptions=(pending,))
    assert plan_rating(record, TIMELINE, utc(4, 1)) == ()


def test_nothing_without_a_subscription() -> None:
    record = replace(Customer().record, subscriptions=())
    assert plan_rating(record, TIMELINE, utc(4, 1)) == ()
    assert usage_span((), utc(4, 1)) is None


def test_the_hour_of_the_start_counts_whole_and_no_hour_before() -> None:
    customer = Customer(start=utc(3, 5, 10, 20))
    customer.use(utc(3, 5, 9, 59), 5)
    customer.use(utc(3, 5, 10, 21), 7)
    rated = customer.rate(utc(3, 5, 12))
    assert windows(rated) == [Period(utc(3, 5, 10), utc(4, 1))]
    assert customer.units(utc(3, 5, 12)) == 7


def test_the_hour_of_the_end_counts_and_no_hour_after() -> None:
    customer = Customer(end=utc(3, 20, 15, 40))
    customer.use(utc(3, 20, 15, 39), 5)
    customer.use(utc(3, 20, 16, 1), 7)
    rated = customer.rate(utc(3, 20, 18))
    assert windows(rated) == [Period(utc(3, 5, 10), utc(3, 20, 15, 40))]
    assert customer.units(utc(3, 20, 18)) == 5


def test_an_end_at_the_full_hour_leaves_that_hour_out() -> None:
    customer = Customer(end=utc(3, 20, 15))
    customer.use(utc(3, 20, 14, 59), 5)
    customer.use(utc(3, 20, 15), 7)
    assert customer.units(utc(3, 20, 18)) == 5


def test_an_end_to_come_ends_nothing_yet() -> None:
    customer = Customer(end=utc(3, 20, 15))
    (window,) = windows(customer.rate(utc(3, 19)))
    assert window == Period(utc(3, 5, 10), utc(4, 1))
    assert customer.records == {}


def test_periods_follow_one_another_in_the_accounts_zone() -> None:
    customer = Customer(zone="Europe/Berlin")
    found = windows(customer.rate(utc(4, 15)))
    assert found == [Period(utc(3, 5, 10), utc(3, 31, 22)), Period(utc(3, 31, 22), utc(4, 30, 22))]


# --- rounding


def test_lines_are_floored_while_open_and_rounded_at_the_end() -> None:
    customer = Customer(plan="mill")
    customer.use(utc(3, 6), 15)
    for _ in range(7):
        customer.use(utc(3, 6), meter=CALLS)
    assert customer.units(utc(3, 31, 23)) == 1
    assert customer.units(utc(4, 1)) == 2 + 1


def test_each_period_is_rounded_by_itself() -> None:
    customer = Customer(plan="daily")
    for day in range(6, 16):
        customer.use(utc(3, day), 5)
    assert customer.units(utc(3, 16)) == 10


# --- records


def test_an_ended_period_is_rated_once() -> None:
    customer = Customer()
    customer.use(utc(3, 6), 5)
    first = customer.rate(utc(4, 2))
    assert [record.total for record in first.records] == [Decimal("0.05")]
    again = customer.rate(utc(4, 3))
    assert again.records == ()
    assert [period.bill is None for period in again.periods] == [True, False]
    assert usage_span(plan_rating(customer.record, TIMELINE, utc(4, 3)), utc(4, 3)) == (
        date(2026, 4, 1),
        date(2026, 4, 3),
    )


def test_a_price_that_changes_later_leaves_an_ended_period_alone() -> None:
    customer = Customer()
    customer.use(utc(3, 6), 5)
    customer.units(utc(4, 2))
    dear = replace(CATALOG, plans=(replace(CATALOG.plans[1], code=PlanCode("basic")),))
    customer.catalog = dear
    assert customer.units(utc(4, 3)) == 5


def test_late_usage_of_an_ended_period_is_rated_with_it() -> None:
    customer = Customer()
    customer.use(utc(3, 6), 5)
    assert customer.units(utc(4, 2)) == 5
    late = customer.use(utc(3, 7), 3)
    assert customer.units(utc(4, 3), [late]) == 8
    assert customer.units(utc(4, 4)) == 8


def test_late_usage_of_a_first_half_hour_is_rated_with_its_period() -> None:
    """A mark names an hour; in this zone a period begins in the middle of one."""
    customer = Customer(zone=KOLKATA)
    customer.use(utc(4, 6), 5)
    assert customer.units(utc(5, 2)) == 5
    late = customer.use(utc(3, 31, 18, 40), 3)
    assert customer.units(utc(5, 2), [late]) == 8


def test_late_usage_of_a_last_half_hour_is_rated_with_its_period() -> None:
    customer = Customer(zone=KOLKATA)
    customer.use(utc(4, 6), 5)
    assert customer.units(utc(5, 2)) == 5
    late = customer.use(utc(4, 30, 18, 20), 3)
    assert customer.units(utc(5, 2), [late]) == 8


def test_a_cancellation_learnt_late_cuts_the_period_it_falls_in() -> None:
    customer = Customer()
    customer.use(utc(3, 6), 5)
    customer.use(utc(3, 25), 3)
    assert customer.units(utc(4, 2)) == 8
    customer.end = utc(3, 20)
    assert customer.units(utc(4, 3)) == 5


# --- plans


def test_a_change_of_plan_splits_the_period_at_its_cell() -> None:
    change = utc(3, 15, 12)
    first = AccountPlan("p1", PlanCode("basic"), utc(3, 5, 10), change)
    customer = Customer(plans=(first, AccountPlan("p2", PlanCode("dear"), change)))
    customer.use(change - timedelta(seconds=1), 5)
    customer.use(change, 7)
    rated = customer.rate(utc(3, 16))
    assert windows(rated) == [Period(utc(3, 5, 10), change), Period(change, utc(4, 1))]
    assert [str(period.total) for period in rated.periods] == ["0.05", "0.70"]
    assert customer.units(utc(3, 16)) == 75
    assert [r.attachment for r in rated.records] == ["p1"]


def test_a_gap_between_plans_costs_nothing() -> None:
    first = AccountPlan("p1", PlanCode("basic"), utc(3, 5, 10), utc(3, 10))
    customer = Customer(plans=(first, AccountPlan("p2", PlanCode("dear"), utc(3, 20))))
    customer.use(utc(3, 15), 5)
    assert customer.units(utc(3, 25)) == 0


def test_an_attachment_outside_the_subscription_does_not_count() -> None:
    before = AccountPlan("p0", PlanCode("dear"), utc(1, 1), utc(2, 1))
    customer = Customer(plans=(before, AccountPlan("p1", PlanCode("basic"), utc(3, 5, 10))))
    customer.use(utc(1, 15), 5)
    customer.use(utc(3, 6), 5)
    assert customer.units(utc(3, 25)) == 5


@pytest.mark.parametrize("code", ["unheard-of", "lost"])
def test_what_the_catalogue_lacks_is_named(code: str) -> None:
    with pytest.raises(NotFound):
        Customer(plan=code).rate(utc(3, 6))


# --- the running total

GROWING: list[QuantityModel] = [
    MILL,
    Tiered((Band(Decimal("0.017"), Decimal(50), Decimal("0.3")), Band(Decimal("0.0033")))),
    Package((Block(Decimal("0.125"), Decimal(7)),)),
    Stairstep((Step(Decimal("0.5"), Decimal(40)), Step(Decimal("1.005")))),
]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 30 * 60),
        st.lists(
            st.tuples(st.integers(0, 72 * 60), st.decimals(0, 40, places=3)), max_size=4
        ),
    ),
    min_size=1,
    max_size=15,
)  # fmt: skip


@given(
    st.sampled_from(GROWING),
    st.sampled_from([Frequency.DAILY, Frequency.WEEKLY]),
    st.sampled_from([None, KOLKATA]),
    STEPS,
)
def test_the_running_total_never_falls(
    model: QuantityModel,
    frequency: Frequency,
    zone: str | None,
    steps: list[tuple[int, list[tuple[int, Decimal]]]],
) -> None:
    """Whatever arrives, however late, and wherever period ends lie in between; and rating only
    what changed gives the same as rating everything."""
    growing = plan("growing", pricing("tokens", model), frequency=frequency)
    catalog = replace(CATALOG, plans=(growing,))
    customer = Customer(start=utc(3, 1), plan="growing", zone=zone, catalog=catalog)
    now, before = utc(3, 2), 0
    for minutes, usage in steps:
        now += timedelta(minutes=minutes)
        changed = [
            customer.use(max(now - timedelta(minutes=ago), customer.start), n) for ago, n in usage
        ]
        owed = customer.units(now, changed)
        fresh = replace(customer, records={})
        assert owed == fresh.units(now)
        assert owed >= before
        before = owed


def test_the_span_of_usage_covers_every_window_to_be_rated() -> None:
    customer = Customer()
    steps = plan_rating(customer.record, TIMELINE, utc(4, 2, 10))
    assert usage_span(steps, utc(4, 2, 10)) == (date(2026, 3, 5), date(2026, 4, 2))
