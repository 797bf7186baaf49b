"""Rating: from an account's usage to what it owes, as a pure function of what is stored."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from shared.domain.account import AccountPlan, AccountRecord
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import Plan, Pricing
from shared.domain.ids import MeterCode
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import ZERO, minor_digits
from shared.domain.period import HOUR, Cadence, Period, cell_minutes, cell_of, day_of
from shared.domain.rating.bill import LineItem, PeriodBill, PeriodRecord, record_key
from shared.domain.rating.models import charge
from shared.domain.usage.aggregate import aggregate
from shared.domain.usage.partial import Partial, merged


@dataclass(frozen=True, slots=True)
class CellUsage:
    """The folded statistics of one cell of one meter and segment."""

    meter: MeterCode
    segment: str
    start: datetime
    partial: Partial


@dataclass(frozen=True, slots=True)
class Step:
    """A billing period of an attached plan; ``known`` is its total where that still holds."""

    attachment: AccountPlan
    plan: Plan
    window: Period
    known: PeriodRecord | None


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """One billing period of an attached plan: rated anew, or known from its record."""

    attachment: AccountPlan
    plan: Plan
    total: Decimal
    bill: PeriodBill | None


@dataclass(frozen=True, slots=True)
class Rated:
    """What an account owes for the life of its subscription, period by period."""

    subscription: Subscription
    periods: tuple[RatedPeriod, ...]
    records: tuple[PeriodRecord, ...] = field(default=())
    """Records to be kept: of ended periods that were rated anew."""


def zone_of(record: AccountRecord, catalog: Catalog) -> str:
    """The time zone an account is billed in: its own, else the organization's."""
    return record.account.time_zone or catalog.organization.time_zone


def life_of(subscription: Subscription, zone: str, as_of: datetime) -> Period | None:
    """The cells in which a subscription is billable so far, or ``None`` before its start.

    Its ends are widened to cell boundaries: an hour in which it began or ended is billable,
    and events outside the subscription itself are kept out when they arrive.
    """
    if subscription.start is None:
        return None
    minutes = cell_minutes(zone)
    start = cell_of(subscription.start, minutes)
    end = as_of if subscription.end is None else min(subscription.end, as_of)
    return Period(start, end) if start < end else None


def windows(
    record: AccountRecord, catalog: Catalog, life: Period
) -> Iterable[tuple[AccountPlan, Period]]:
    """Every billing period of every attached plan, clipped to the attachment and to ``life``.

    A period still running ends at its own end, so that its window keeps one name until then.
    """
    zone, organization = zone_of(record, catalog), catalog.organization
    ended = record.subscription is not None and record.subscription.end == life.end
    for attachment in record.plans:
        plan = catalog.plan(attachment.plan)
        cadence = Cadence(plan.frequency, plan.interval, organization.epoch, zone)
        within = attachment.within(life.end)
        active = within.overlap(life) if within else None
        if active is None:
            continue
        for period in cadence.periods(active.start, active.end):
            end = period.end if attachment.end is None else min(period.end, attachment.end)
            end = min(end, life.end) if ended else end
            yield attachment, Period(max(period.start, active.start), end)


def plan_rating(
    record: AccountRecord, catalog: Catalog, as_of: datetime, changed: Collection[datetime] = ()
) -> tuple[Step, ...]:
    """The billing periods that make up what the account owes at ``as_of``.

    Ended periods come from their records unless one of the ``changed`` hours reaches into them;
    all others are to be rated from usage. Empty without a subscription that has started. Raises
    ``NotFound`` for a plan that the catalogue lacks.
    """
    subscription = record.subscription
    life = subscription and life_of(subscription, zone_of(record, catalog), as_of)
    if not life:
        return ()
    steps: list[Step] = []
    for attachment, window in windows(record, catalog, life):
        known = record.records.get(record_key(attachment.id, window.start))
        if known is not None and (known.end != window.end or _touched(window, changed)):
            known = None
        steps.append(Step(attachment, catalog.plan(attachment.plan), window, known))
    return tuple(steps)


def usage_span(steps: Iterable[Step], as_of: datetime) -> tuple[date, date] | None:
    """First and last day of the usage that rating ``steps`` needs, or ``None`` for none."""
    starts = [step.window.start for step in steps if step.known is None]
    ends = [min(step.window.end, as_of) for step in steps if step.known is None]
    if not starts:
        return None
    return day_of(min(starts)), day_of(max(ends))


def rate(
    subscription: Subscription,
    steps: Sequence[Step],
    catalog: Catalog,
    usage: Sequence[CellUsage],
    as_of: datetime,
) -> Rated:
    """What is owed at ``as_of`` for all ``steps``, given the cells of ``usage_span``.

    Raises ``NotFound`` for an aggregation that the catalogue lacks.
    """
    periods: list[RatedPeriod] = []
    records: list[PeriodRecord] = []
    for step in steps:
        if step.known is not None:
            periods.append(RatedPeriod(step.attachment, step.plan, step.known.total, None))
            continue
        bill = rate_period(step.attachment, step.plan, catalog, step.window, usage, as_of)
        periods.append(RatedPeriod(step.attachment, step.plan, bill.total, bill))
        if bill.ended:
            records.append(bill.record)
    return Rated(subscription, tuple(periods), tuple(records))


def _touched(window: Period, changed: Collection[datetime]) -> bool:
    """Whether a changed hour reaches into ``window``, which may begin in the middle of one."""
    return any(window.start < hour + HOUR and hour < window.end for hour in changed)


def rate_period(
    attachment: AccountPlan,
    plan: Plan,
    catalog: Catalog,
    window: Period,
    usage: Sequence[CellUsage],
    as_of: datetime,
) -> PeriodBill:
    """Price one period's usage; cells outside ``window`` do not count."""
    by_meter: dict[MeterCode, list[Partial]] = {}
    events = 0
    for cell in usage:
        if cell.start in window:
            by_meter.setdefault(cell.meter, []).append(cell.partial)
            events += cell.partial.events
    statistics = {meter: merged(partials) for meter, partials in by_meter.items()}
    lines = tuple(_line(pricing, catalog, statistics) for pricing in plan.pricing)
    digits = minor_digits(catalog.organization.currency)
    return PeriodBill(attachment.id, plan.code, window, lines, as_of >= window.end, events, digits)


def _line(pricing: Pricing, catalog: Catalog, statistics: Mapping[MeterCode, Partial]) -> LineItem:
    aggregation = catalog.aggregation(pricing.aggregation)
    partial = statistics.get(aggregation.meter)
    quantity = ZERO if partial is None else aggregate(aggregation.type, partial, aggregation.field)
    priced = charge(pricing.charge, quantity)
    return LineItem(
        aggregation.code,
        aggregation.name or aggregation.code,
        aggregation.unit,
        quantity,
        priced.amount,
        priced.bands,
    )
