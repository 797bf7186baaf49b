"""Rating: from an account's usage to what it owes, as a pure function of what is stored."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from shared.domain.account import AccountPlan, AccountRecord
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import Pricing
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.catalog.timeline import PlanSpan, Timeline
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import CONTEXT, minor_digits
from shared.domain.period import HOUR, Cadence, Period, cell_minutes, cell_of, day_of
from shared.domain.rating.bill import LineItem, PeriodBill, PeriodRecord, record_key
from shared.domain.rating.discount import LineTerms, price_line
from shared.domain.rating.quantity import Quantities
from shared.domain.usage.cell import CellUsage, newest_generation


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in which an attached plan is billed at one set of prices.

    ``whole`` is the billing period it is a part of, ``span`` says what the plan costs in it, in
    days of ``zone``; ``version`` is the catalogue's that has the last say in it.
    """

    attachment: AccountPlan
    span: PlanSpan
    period: Period
    whole: Period
    zone: str
    version: int

    def pricing(self) -> tuple[Pricing, ...]:
        """The prices in force."""
        return self.span.plan.prices_on(_local_day(self.period.start, self.zone))

    def share(self) -> Decimal:
        """Its days as a part of the billing period's (semantics, rule 12).

        A day belongs to the window in force at its end, so the shares of a period add up to one.
        """
        return CONTEXT.divide(_days(self.period, self.zone), _days(self.whole, self.zone))


@dataclass(frozen=True, slots=True)
class Step:
    """A window to be billed; ``known`` is its total where that still holds."""

    billed: Window
    known: PeriodRecord | None

    @property
    def attachment(self) -> AccountPlan:
        """The attached plan."""
        return self.billed.attachment

    @property
    def plan(self) -> ResolvedPlan:
        """What the plan costs in the window."""
        return self.billed.span.plan

    @property
    def window(self) -> Period:
        """From when to when."""
        return self.billed.period


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """One billing period of an attached plan: rated anew, or known from its record."""

    attachment: AccountPlan
    plan: ResolvedPlan
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


def windows(record: AccountRecord, timeline: Timeline, life: Period) -> Iterable[Window]:
    """Every billing period of every attached plan, clipped to the attachment and to ``life``, and
    divided where the prices of the plan change.

    A period still running ends at its own end, so that its window keeps one name until then.
    Raises ``NotFound`` for a plan that no version of the catalogue has.
    """
    ended = record.subscription is not None and record.subscription.end == life.end
    for attachment in record.plans:
        within = attachment.within(life.end)
        active = within.overlap(life) if within else None
        if active is None:
            continue
        for span in timeline.spans(attachment.plan):
            start, until = max(active.start, span.start), min(active.end, span.end)
            if start >= until:
                continue
            last = min(span.end, attachment.end or span.end)
            end = min(last, life.end) if ended else last
            active_span = Period(start, end)
            for part, whole, zone in _parts(record, span, active_span, until):
                version = timeline.version_of(span, part.start, part.end)
                yield Window(attachment, span, part, whole, zone, version)


def _parts(
    record: AccountRecord, span: PlanSpan, active: Period, until: datetime
) -> Iterable[tuple[Period, Period, str]]:
    """The parts of ``active`` that begin before ``until``, each with its billing period and the
    account's time zone."""
    plan, organization = span.plan, span.catalog.organization
    zone = zone_of(record, span.catalog)
    cadence = Cadence(plan.frequency, plan.interval, organization.anchor(plan.frequency), zone)
    changes = [_midnight(day, zone) for day in plan.price_changes()]
    for whole in cadence.periods(active.start, until):
        start, end = max(whole.start, active.start), min(whole.end, active.end)
        cuts = [start, *(cut for cut in changes if start < cut < end), end]
        for first, last in pairwise(cuts):
            if first < until:
                yield Period(first, last), whole, zone


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _local_day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


def _days(period: Period, zone: str) -> Decimal:
    return Decimal((_local_day(period.end, zone) - _local_day(period.start, zone)).days)


def plan_rating(
    record: AccountRecord,
    timeline: Timeline,
    as_of: datetime,
    changed: Collection[datetime] = (),
) -> tuple[Step, ...]:
    """The windows that make up what the account owes at ``as_of``.

    Ended ones come from their records unless one of the ``changed`` hours reaches into them or
    their prices were changed since; all others are to be rated from usage. Empty without a
    subscription that has started. Raises ``NotFound`` for a plan that never was in the catalogue.
    """
    subscription = record.subscription
    if subscription is None or subscription.start is None:
        return ()
    life = life_of(subscription, zone_of(record, timeline.at(subscription.start)), as_of)
    if not life:
        return ()
    return tuple(
        Step(window, _known(record, window, changed)) for window in windows(record, timeline, life)
    )


def _known(
    record: AccountRecord, window: Window, changed: Collection[datetime]
) -> PeriodRecord | None:
    period = window.period
    known = record.records.get(record_key(window.attachment.id, period.start))
    if known is None or known.end != period.end or known.version != window.version:
        return None
    return None if _touched(period, changed) else known


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
    usage: Iterable[CellUsage],
    as_of: datetime,
) -> Rated:
    """What is owed at ``as_of`` for all ``steps``, given the cells of ``usage_span``.

    Raises ``NotFound`` for an aggregation that the catalogue lacks, and ``InvalidInput`` for usage
    that its prices cannot be applied to.
    """
    counted = newest_generation(usage)
    periods: list[RatedPeriod] = []
    records: list[PeriodRecord] = []
    for step in steps:
        if step.known is not None:
            periods.append(RatedPeriod(step.attachment, step.plan, step.known.total, None))
            continue
        bill = rate_window(step.billed, counted, as_of)
        periods.append(RatedPeriod(step.attachment, step.plan, bill.total, bill))
        if bill.ended:
            records.append(bill.record)
    return Rated(subscription, tuple(periods), tuple(records))


def _touched(window: Period, changed: Collection[datetime]) -> bool:
    """Whether a changed hour reaches into ``window``, which may begin in the middle of one."""
    return any(window.start < hour + HOUR and hour < window.end for hour in changed)


def rate_window(window: Window, usage: Iterable[CellUsage], as_of: datetime) -> PeriodBill:
    """Price one window's usage; cells outside it do not count."""
    span, period = window.span, window.period
    cells = [cell for cell in usage if cell.start in period]
    quantities = Quantities(span.catalog, span.plan, cells)
    ended = as_of >= period.end
    lines = tuple(
        _line(pricing, span.catalog, quantities, window, ended=ended)
        for pricing in window.pricing()
    )
    return PeriodBill(
        window.attachment.id,
        span.plan.code,
        period,
        lines,
        ended,
        sum(cell.partial.events for cell in cells),
        minor_digits(span.plan.currency),
        window.version,
    )


def _line(
    pricing: Pricing, catalog: Catalog, quantities: Quantities, window: Window, *, ended: bool
) -> LineItem:
    measure = catalog.measure(pricing.aggregation)
    terms = _prorated(pricing.terms, window)
    priced = price_line(pricing.charge, quantities.usage(pricing), terms, closing=ended)
    overage = priced.overage.bands if priced.overage else ()
    return LineItem(
        measure.code,
        pricing.description or measure.name or measure.code,
        measure.unit,
        priced.quantity,
        priced.amount,
        priced.base.bands + overage,
        pricing.segment,
        priced,
    )


def _prorated(terms: LineTerms, window: Window) -> LineTerms:
    """A minimum holds for the days it covers (semantics, rule 14a)."""
    if terms.minimum is None or window.period == window.whole:
        return terms
    return replace(terms, minimum=CONTEXT.multiply(terms.minimum, window.share()))
