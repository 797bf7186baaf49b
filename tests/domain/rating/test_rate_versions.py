"""Prices that change: by versions of the catalogue and by dates, and what is rated anew then."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, DerivedField, FieldCategory, Meter
from shared.domain.catalog.organization import Epochs, Organization
from shared.domain.catalog.plan import Plan, Pricing
from shared.domain.catalog.product import Product
from shared.domain.catalog.timeline import Timeline, VersionHead
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
from shared.domain.period import Frequency, cell_of
from shared.domain.rating.bill import PeriodBill, PeriodRecord
from shared.domain.rating.charge import Band
from shared.domain.rating.discount import LineTerms
from shared.domain.rating.models import ChargeModel
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage, Share
from shared.domain.rating.rate import Rated, plan_rating, rate
from shared.domain.rating.tiered import Tiered
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial

D = Decimal
TOKENS = MeterCode("tokens")
MODEL = FieldCode("model")
BERLIN = "Europe/Berlin"


def utc(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def catalog(
    *prices: Pricing, frequency: Frequency = Frequency.MONTHLY, formula: str = "n"
) -> Catalog:
    total = Aggregation(
        AggregationCode("total"), TOKENS, AggregationType.SUM, FieldCode("n"), unit="token"
    )
    split = replace(
        total,
        code=AggregationCode("split"),
        segmented_fields=(MODEL,),
        segments=({MODEL: "big"}, {MODEL: "*"}),
    )
    meter = Meter(
        TOKENS,
        (
            DataField(FieldCode("n"), FieldCategory.MEASURE),
            DataField(MODEL, FieldCategory.WHAT, required=False),
        ),
        derived_fields=(DerivedField(FieldCode("d"), formula),),
    )
    return Catalog(
        Organization("contoso", epoch=date(2026, 1, 1)),
        (Product(ProductCode("ai")),),
        (meter,),
        (total, split),
        (Plan(PlanCode("basic"), ProductCode("ai"), prices, frequency=frequency),),
    )


def price(amount: str | ChargeModel, start: date | None = None) -> Pricing:
    charge = PerUnit(D(amount)) if isinstance(amount, str) else amount
    return Pricing(AggregationCode("total"), charge, from_=start)


CENT, DIME = catalog(price("0.01")), catalog(price("0.10"))
TIERS = Tiered((Band(D("0.10"), D(100)), Band(D("0.01"))))


@dataclass(slots=True)
class Customer:
    """An account since 1 March, whose ended periods are kept."""

    timeline: Timeline
    zone: str = "UTC"
    end: datetime | None = None
    cells: dict[tuple[str, datetime], Partial] = field(default_factory=dict)
    records: dict[str, PeriodRecord] = field(default_factory=dict)
    number: int = 0

    def use(self, at: datetime, n: int, model: str | None = None) -> None:
        self.number += 1
        intake = self.timeline.intake(TOKENS, at)
        assert intake is not None
        taken = intake.take({"n": D(n)} if model is None else {"n": D(n), "model": model})
        assert not isinstance(taken, tuple)
        event = UsageEvent(f"e{self.number}", AccountCode("a"), TOKENS, at, taken.data)
        self.cells.setdefault((taken.segment, cell_of(at, 60)), Partial()).add(event)

    def rate(self, as_of: datetime) -> Rated:
        start = utc(3, 1)
        sold = Subscription(
            SubscriptionId("s"), "offer", (PlanSpell("p", start),),
            SubscriptionStatus.SUBSCRIBED, start=start, end=self.end,
        )  # fmt: skip
        record = AccountRecord(
            Account(AccountCode("a"), time_zone=self.zone),
            (AccountPlan("p1", PlanCode("basic"), start),),
            (sold,),
            dict(self.records),
        )
        steps = plan_rating(record, self.timeline, as_of)
        usage = [CellUsage(TOKENS, key, at, partial) for (key, at), partial in self.cells.items()]
        rated = rate(sold, steps, usage, as_of)
        self.records |= {kept.key: kept for kept in rated.records}
        return rated


def timeline(first: Catalog, *later: tuple[datetime, Catalog]) -> Timeline:
    """Versions by the hour they take effect; each was made then, before anything was used."""
    heads = [VersionHead(1, utc(1, 1))]
    heads += [VersionHead(n, utc(1, 1), start) for n, (start, _) in enumerate(later, 2)]
    return Timeline(heads, dict(enumerate([first, *(made for _, made in later)], 1)))


def bills(rated: Rated) -> list[tuple[datetime, datetime, Decimal]]:
    found = [period.bill for period in rated.periods]
    return [(b.window.start, b.window.end, b.total) for b in found if b is not None]


def only_bill(rated: Rated) -> PeriodBill:
    (period,) = rated.periods
    assert period.bill is not None
    return period.bill


# --- versions


def test_a_price_counts_from_its_hour_on() -> None:
    customer = Customer(timeline(CENT, (utc(3, 10, 12), DIME)))
    customer.use(utc(3, 10, 11), 100)
    customer.use(utc(3, 10, 12), 100)
    assert bills(customer.rate(utc(3, 20))) == [
        (utc(3, 1), utc(3, 10, 12), D(1)),
        (utc(3, 10, 12), utc(4, 1), D(10)),
    ]


def test_each_part_of_a_period_fills_bands_by_itself() -> None:
    tiers = catalog(price(TIERS))
    dearer = catalog(price(replace(TIERS, bands=(Band(D("0.20"), D(100)), Band(D("0.01"))))))
    customer = Customer(timeline(tiers, (utc(3, 10), dearer)))
    customer.use(utc(3, 5), 150)
    customer.use(utc(3, 15), 150)
    assert [total for *_, total in bills(customer.rate(utc(3, 20)))] == [D("10.50"), D("20.50")]


def test_a_version_that_changes_no_price_divides_nothing() -> None:
    renamed = replace(CENT, organization=replace(CENT.organization, name="Contoso Ltd"))
    customer = Customer(timeline(CENT, (utc(3, 10), renamed)))
    assert only_bill(customer.rate(utc(3, 20))).window.end == utc(4, 1)


def test_another_frequency_begins_with_its_version() -> None:
    weekly = catalog(price("0.01"), frequency=Frequency.WEEKLY)
    anchored = replace(
        weekly, organization=replace(weekly.organization, epochs=Epochs(week=date(2026, 3, 2)))
    )
    customer = Customer(timeline(CENT, (utc(3, 11), anchored)))
    ends = [end for _, end, _ in bills(customer.rate(utc(3, 18)))]
    assert ends == [utc(3, 11), utc(3, 16), utc(3, 23)]


def test_rounding_is_done_in_each_part() -> None:
    half = catalog(price("0.005"))
    customer = Customer(timeline(half, (utc(3, 10), catalog(price("0.006")))))
    customer.use(utc(3, 5), 1)
    assert [total for *_, total in bills(customer.rate(utc(3, 9)))] == [D(0)]
    assert [total for *_, total in bills(customer.rate(utc(3, 11)))] == [D("0.01"), D(0)]


def test_a_version_in_the_past_rates_ended_periods_anew() -> None:
    first = timeline(catalog(price("0.01"), frequency=Frequency.DAILY))
    customer = Customer(first)
    customer.use(utc(3, 2, 5), 100)
    customer.use(utc(3, 4, 5), 100)
    assert len(bills(customer.rate(utc(3, 6, 1)))) == 6
    assert len(bills(customer.rate(utc(3, 6, 2)))) == 1
    late = [VersionHead(1, utc(1, 1)), VersionHead(2, utc(3, 6), utc(3, 3))]
    dime = catalog(price("0.10"), frequency=Frequency.DAILY)
    customer.timeline = Timeline(late, {1: first.at(utc(3, 1)), 2: dime})
    rated = customer.rate(utc(3, 6, 3))
    assert [(start.day, total) for start, _, total in bills(rated)] == [
        (3, D(0)), (4, D(10)), (5, D(0)), (6, D(0)),
    ]  # fmt: skip
    assert sum(period.total for period in rated.periods) == 11
    assert len(bills(customer.rate(utc(3, 6, 4)))) == 1


def test_usage_that_is_made_anew_is_rated_anew() -> None:
    first = timeline(catalog(price("0.01"), frequency=Frequency.DAILY))
    customer = Customer(first)
    customer.use(utc(3, 2, 5), 100)
    customer.rate(utc(3, 4, 1))
    formula = catalog(price("0.01"), frequency=Frequency.DAILY, formula="n * 2")
    late = [VersionHead(1, utc(1, 1)), VersionHead(2, utc(3, 4), utc(3, 2, 3))]
    customer.timeline = Timeline(late, {1: first.at(utc(3, 1)), 2: formula})
    assert [start.day for start, *_ in bills(customer.rate(utc(3, 4, 2)))] == [2, 3, 4]
    assert [start.day for start, *_ in bills(customer.rate(utc(3, 4, 3)))] == [4]


@given(st.lists(st.integers(0, 30 * 24 - 1), max_size=12), st.integers(1, 29), st.integers(0, 23))
def test_a_division_at_the_same_price_changes_no_unit_price(
    hours: list[int], day: int, hour: int
) -> None:
    """Divided and whole, a price by the unit costs the same to the cent a line may round."""
    at = utc(3, day, hour) if (day, hour) != (1, 0) else utc(3, 1, 1)
    other = catalog(replace(price("0.01"), terms=LineTerms(maximum=D(10) ** 9)))
    divided = Customer(timeline(CENT, (at, other)))
    whole = Customer(timeline(CENT))
    for customer in (divided, whole):
        for number in hours:
            customer.use(datetime.fromtimestamp(utc(3, 1).timestamp() + number * 3600, UTC), 7)
    parts = bills(divided.rate(utc(4, 2)))
    assert len(parts) == 3
    assert sum(total for *_, total in parts) == sum(t for *_, t in bills(whole.rate(utc(4, 2))))


# --- dates


def test_a_dated_price_counts_from_midnight_of_the_account() -> None:
    dated = catalog(price("0.01"), price("0.10", date(2026, 3, 10)))
    customer = Customer(timeline(dated), BERLIN)
    customer.use(utc(3, 9, 22), 100)
    customer.use(utc(3, 9, 23), 100)
    assert bills(customer.rate(utc(3, 20))) == [
        (utc(3, 1), utc(3, 9, 23), D(1)),
        (utc(3, 9, 23), utc(3, 31, 22), D(10)),
    ]


def test_a_dated_price_at_a_period_s_start_divides_nothing() -> None:
    dated = catalog(price("0.01"), price("0.10", date(2026, 4, 1)))
    customer = Customer(timeline(dated))
    customer.use(utc(4, 1), 100)
    assert [(s, t) for s, _, t in bills(customer.rate(utc(4, 2)))] == [
        (utc(3, 1), D(0)), (utc(4, 1), D(10)),
    ]  # fmt: skip


def test_a_price_that_begins_later_leaves_earlier_usage_unpriced() -> None:
    dated = catalog(price("0.10", date(2026, 3, 10)))
    customer = Customer(timeline(dated))
    customer.use(utc(3, 5), 100)
    rated = customer.rate(utc(3, 20))
    assert [len(p.bill.lines) for p in rated.periods if p.bill] == [0, 1]


# --- lines


def test_segments_have_lines_of_their_own() -> None:
    by_model: Mapping[str, str] = {"big": "0.10", "*": "0.01"}
    made = catalog(
        *(
            Pricing(AggregationCode("split"), PerUnit(D(amount)), {MODEL: value})
            for value, amount in by_model.items()
        )
    )
    customer = Customer(timeline(made))
    for model in ("big", "small", None):
        customer.use(utc(3, 5), 10, model)
    lines = only_bill(customer.rate(utc(3, 6))).lines
    found = [(dict(line.segment or {}), line.quantity, line.amount) for line in lines]
    assert found == [({MODEL: "big"}, D(10), D(1)), ({MODEL: "*"}, D(20), D("0.20"))]


def test_a_line_keeps_the_way_to_its_amount() -> None:
    terms = LineTerms(included=D(20), percent_discount=D(50))
    customer = Customer(timeline(catalog(replace(price("0.10"), terms=terms))))
    customer.use(utc(3, 5), 100)
    (line,) = only_bill(customer.rate(utc(3, 6))).lines
    assert (line.quantity, line.amount) == (D(100), D(4))
    assert line.steps is not None
    assert (line.steps.billable, line.steps.gross) == (D(80), D(8))


def test_a_share_of_a_value() -> None:
    share = Percentage((Share(D(2)),), fixed_per_event=D("0.30"))
    customer = Customer(timeline(catalog(price(share))))
    for n in (100, 50):
        customer.use(utc(3, 5), n)
    assert only_bill(customer.rate(utc(3, 6))).total == D("3.60")


@pytest.mark.parametrize(
    ("end", "due"),
    [
        pytest.param(None, [D(31)], id="a whole month"),
        pytest.param(utc(3, 11), [D(10)], id="ten days of 31"),
        pytest.param(utc(3, 11, 15), [D(10)], id="the eleventh is not over"),
    ],
)
def test_a_minimum_holds_for_the_days_of_the_part(end: datetime | None, due: list[Decimal]) -> None:
    made = catalog(replace(price("0.01"), terms=LineTerms(minimum=D(31))))
    customer = Customer(timeline(made), end=end)
    customer.use(utc(3, 5), 100)
    assert [total for *_, total in bills(customer.rate(utc(3, 9)))] == [D(1)]
    found = bills(customer.rate(utc(4, 1)))
    assert [total for *_, total in found] == due


def test_the_parts_of_a_divided_minimum_add_up() -> None:
    made = catalog(replace(price("0.01"), terms=LineTerms(minimum=D(31))))
    dearer = catalog(replace(price("0.02"), terms=LineTerms(minimum=D(31))))
    customer = Customer(timeline(made, (utc(3, 10, 12), dearer)))
    totals = [total for *_, total in bills(customer.rate(utc(4, 1)))]
    assert totals == [D(9), D(22)]
