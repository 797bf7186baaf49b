"""./dev bench rating: the CPU that rating takes, beside a plain loop over integers.

One account with 20 aggregations and a month of hourly cells, priced and stated whole; and the
aggregates of 1,000,000 events rated for many accounts, against a loop that adds and multiplies
the same figures as integers. Both run in turns in one process, so that noise meets both alike.
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
CELLS = 2_000
"""Cells that the events are aggregated in: an hour of 2,000 meters of customers, 500 each."""
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
    quantities, rating, loop = million
    ratios = []
    for _round in range(ROUNDS):
        slow, fast = _once(rating), _once(loop)
        ratios.append(slow / fast)
    ratio = statistics.median(ratios)
    print(f"{EVENTS:,} events in {CELLS:,} cells: {quantities:,} units")
    print(
        f"  rating {1000 * _best(rating):.1f} ms, integer loop {1000 * _best(loop):.1f} ms of CPU"
    )
    print(f"  {ratio:.2f} times the loop, the median of {ROUNDS} (target: at most {TIMES:g})")
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


def million_events() -> tuple[int, Callable[[], object], Callable[[], object]]:
    """How many units a million events are, rating them, and the same in a plain loop.

    The loop gets the units of every event and the price of each band as integers.
    """
    meter, name = MeterCode("m"), FieldCode("n")
    aggregations = (Aggregation(AggregationCode("n"), meter, AggregationType.SUM, name),)
    per_cell = EVENTS // CELLS
    units = [n % 89 for n in range(EVENTS)]
    usage = []
    for number in range(CELLS):
        part = units[number * per_cell : (number + 1) * per_cell]
        start = START + timedelta(minutes=15 * (number % 2_900))
        partial = _cell(meter, start, {name: Decimal(sum(part))})
        partial.events = per_cell
        usage.append(CellUsage(meter, "", start, partial))
    scene = _scene(aggregations, usage, START + timedelta(days=31))

    def loop() -> int:
        total = 0
        for unit in units:
            total += unit
        amount, lower = 0, 0
        for upper, price in ((1_000, 100), (100_000, 50), (total, 20)):
            amount += (min(upper, total) - lower) * price
            lower = min(upper, total)
        return amount

    return sum(units), scene, loop


def _cell(meter: MeterCode, start: datetime, data: dict[str, DataValue]) -> Partial:
    partial = Partial()
    for number in range(3):
        partial.add(UsageEvent(f"{start}{number}", AccountCode("acme"), meter, start, data))
    return partial


def _scene(
    aggregations: tuple[Aggregation, ...], usage: Sequence[CellUsage], as_of: datetime
) -> Scene:
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
        minimum_spend=MinimumSpend(Decimal(500)),
        standing_charge=StandingCharge(Decimal(49)),
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
        credits=(Credit("c", Decimal(100), START + timedelta(days=10)),),
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
