"""./dev bench rating: the CPU that rating takes, beside plain loops over integers.

One account with 20 aggregations and a month of hourly cells, priced and stated whole. And the
aggregates of 1,000,000 events of one large account, beside a plain loop that gets the same
aggregates as tuples of integers and does the same with them: leaves out what lies outside of the
period, adds up by meter, prices the tiers, floors to cents. A second loop adds up and prices the
events one by one, as one would without aggregates. All run in turns in one process, so that noise
meets all alike, and all must come to the same cents.
"""

import gc
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import process_time

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.charges import MinimumSpend, StandingCharge
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan, Pricing
from shared.domain.catalog.timeline import Timeline
from shared.domain.grants import Credit
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
from shared.domain.period import HOUR
from shared.domain.rating.charge import Band
from shared.domain.rating.rate import plan_rating, rate
from shared.domain.rating.statement import Member, state
from shared.domain.rating.tiered import Tiered
from shared.domain.rating.totals import totals
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.event import DataValue, UsageEvent
from shared.domain.usage.partial import Partial

START = datetime(2026, 3, 1, tzinfo=UTC)
AGGREGATIONS = 20
METERS = 5
HOURS = 31 * 24
EVENTS = 1_000_000
MANY_METERS = 27
"""A month of hourly cells of so many meters: 20,088 cells of some 50 events each."""
ROUNDS = 9
MILLISECONDS = 20
TIMES = 3.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A customer, the catalogue, and its folded usage."""

    record: AccountRecord
    timeline: Timeline
    usage: Sequence[CellUsage]
    as_of: datetime

    def __call__(self) -> Decimal:
        """Cents owed, as an hourly run computes them."""
        (subscription,) = self.record.subscriptions
        steps = plan_rating(self.record, self.timeline, self.as_of)
        rated = rate(subscription, steps, self.usage, self.as_of)
        member = Member(self.record, rated.periods)
        statement = state([member], subscription, self.timeline, self.as_of)
        return sum(totals(statement).values(), Decimal(0))


def main(_: Sequence[str] = ()) -> int:
    """Measure both; the status is 1 when a target is missed."""
    gc.collect()
    gc.disable()
    month, million = month_of_cells(), million_events()
    fields = sum(len(cell.partial.fields) for cell in month.usage)
    milliseconds = 1000 * _best(month)
    print(
        f"one account, {AGGREGATIONS} aggregations, {len(month.usage):,} hourly cells "
        f"({fields:,} fields), tiers, minimum, standing charge, credit"
    )
    print(f"  {milliseconds:6.1f} ms of CPU (target: under {MILLISECONDS})\n")
    works = (million.rating, million.over_cells, million.over_events)
    cents = {int(work()) for work in works}
    if len(cents) != 1:
        raise AssertionError(f"rating and the loops differ: {cents}")
    ratios, naive = [], []
    for _round in range(ROUNDS):
        rating, cells, events = (_once(work) for work in works)
        ratios.append(rating / cells)
        naive.append(rating / events)
    ratio = statistics.median(ratios)
    best = [1000 * _best(work) for work in works]
    print(f"{EVENTS:,} events in {len(million.rating.usage):,} cells: {cents.pop():,} cents")
    print(f"  rating {best[0]:.1f} ms of CPU")
    print(f"  integers by cell {best[1]:.1f} ms: {ratio:.2f} times (target: at most {TIMES:g})")
    print(f"  integers by event {best[2]:.1f} ms: {statistics.median(naive):.2f} times")
    print(f"  medians of {ROUNDS} rounds")
    return int(milliseconds >= MILLISECONDS or ratio > TIMES)


def month_of_cells() -> Scene:
    """A month in which every hour has usage of every meter."""
    fields = [FieldCode(f"f{n}") for n in range(AGGREGATIONS // METERS)]
    meters = [MeterCode(f"m{n}") for n in range(METERS)]
    kinds = (AggregationType.SUM, AggregationType.MAX, AggregationType.COUNT, AggregationType.SUM)
    aggregations = tuple(
        Aggregation(AggregationCode(f"{meter}.{name}"), meter, kind, name)
        for meter in meters
        for name, kind in zip(fields, kinds, strict=True)
    )
    usage = []
    for hour in range(HOURS):
        for place, meter in enumerate(meters):
            value = Decimal(hour % 97 + place) / 10
            data: dict[str, DataValue] = dict.fromkeys(fields, value)
            start = START + hour * HOUR
            usage.append(CellUsage(meter, "", start, _cell(meter, start, data)))
    return _scene(aggregations, usage, START + timedelta(days=31))


@dataclass(frozen=True, slots=True)
class Million:
    """Rating a million events' aggregates, and two plain loops that come to the same cents."""

    rating: Scene
    over_cells: Callable[[], int]
    over_events: Callable[[], int]


def million_events() -> Million:
    """A month of one large account."""
    name = FieldCode("n")
    meters = [MeterCode(f"m{n}") for n in range(MANY_METERS)]
    aggregations = tuple(
        Aggregation(AggregationCode(meter), meter, AggregationType.SUM, name) for meter in meters
    )
    slots = [(meter, hour) for meter in meters for hour in range(HOURS)]
    events = [(slots[n % len(slots)][0], n % 89) for n in range(EVENTS)]
    usage: list[CellUsage] = []
    rows: list[tuple[str, int, int, int]] = []
    for place, (meter, hour) in enumerate(slots):
        units = [amount for _, amount in events[place :: len(slots)]]
        start = START + hour * HOUR
        partial = _cell(meter, start, {name: Decimal(sum(units))}, 1)
        partial.events = len(units)
        usage.append(CellUsage(meter, "", start, partial))
        rows.append((meter, hour, len(units), sum(units)))
    end = START + timedelta(days=31)
    scene = _scene(aggregations, usage, end, extras=False)

    def over_cells() -> int:
        """Everything that rating does to these cells, with nothing but integers."""
        first, last, seen = 0, HOURS, 0
        sums: dict[str, int] = {}
        for meter, hour, count, units in rows:
            if first <= hour < last:
                seen += count
                if meter in sums:
                    sums[meter] += units
                else:
                    sums[meter] = units
        if seen != EVENTS:
            raise AssertionError("some events are missing")
        return sum(_cents(units) for units in sums.values())

    def over_events() -> int:
        sums: dict[str, int] = {}
        for meter, units in events:
            if meter in sums:
                sums[meter] += units
            else:
                sums[meter] = units
        return sum(_cents(units) for units in sums.values())

    return Million(scene, over_cells, over_events)


def _cents(total: int) -> int:
    """The price of a quantity in the tiers of ``_scene``, rounded half up."""
    amount, lower = 0, 0
    for upper, price in ((1_000, 100), (100_000, 50), (total, 20)):
        reached = max(min(upper, total), lower)
        amount += (reached - lower) * price
        lower = reached
    return (amount + 50) // 100


def _cell(
    meter: MeterCode, start: datetime, data: dict[str, DataValue], events: int = 3
) -> Partial:
    partial = Partial()
    for number in range(events):
        partial.add(UsageEvent(f"{start}{number}", AccountCode("acme"), meter, start, data))
    return partial


def _scene(
    aggregations: tuple[Aggregation, ...],
    usage: Sequence[CellUsage],
    as_of: datetime,
    *,
    extras: bool = True,
) -> Scene:
    """``extras``: a minimum, a standing charge and a credit beside the tiers.

    Prices are 1, 0.5 and 0.2 cents."""
    tiers = Tiered(
        (
            Band(Decimal("0.0100"), Decimal(1_000)),
            Band(Decimal("0.0050"), Decimal(100_000)),
            Band(Decimal("0.0020")),
        )
    )
    plan = Plan(
        PlanCode("basic"),
        ProductCode("ai"),
        tuple(Pricing(a.code, tiers) for a in aggregations),
        minimum_spend=MinimumSpend(Decimal(500)) if extras else None,
        standing_charge=StandingCharge(Decimal(49)) if extras else None,
    )
    catalog = Catalog(Organization("contoso"), aggregations=aggregations, plans=(plan,))
    sold = Subscription(
        SubscriptionId("sub"),
        "offer",
        (PlanSpell("standard", START),),
        SubscriptionStatus.SUBSCRIBED,
        start=START,
    )
    record = AccountRecord(
        Account(AccountCode("acme")),
        (AccountPlan("p1", plan.code, START),),
        (sold,),
        credits=(Credit("c", Decimal(100), START + timedelta(days=10)),) if extras else (),
    )
    return Scene(record, Timeline.of(catalog), usage, as_of)


def _once(work: Callable[[], object]) -> float:
    before = process_time()
    work()
    return process_time() - before


def _best(work: Callable[[], object]) -> float:
    work()
    return min(_once(work) for _ in range(ROUNDS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
