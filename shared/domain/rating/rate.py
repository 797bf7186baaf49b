"""Rating: from an account's usage to what it costs, as a pure function of what is stored."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from shared.domain.account import AccountPlan, AccountRecord
from shared.domain.catalog.billing import QuantityBilling
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom_usage import CUSTOM_METER
from shared.domain.catalog.plan import Pricing, PricingKind
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.catalog.timeline import Timeline
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import CONTEXT, ZERO, floor_to, minor_digits
from shared.domain.period import HOUR, Period, cell_minutes, cell_of, day_of
from shared.domain.rating.bill import Cut, LineItem, PeriodBill, PeriodRecord, record_key
from shared.domain.rating.custom import Custom
from shared.domain.rating.discount import NO_TERMS, LineTerms, price_line
from shared.domain.rating.draw_down import grants_of
from shared.domain.rating.locked import LockedBill
from shared.domain.rating.own_price import custom_lines
from shared.domain.rating.quantity import Quantities
from shared.domain.rating.waterfall import Quantity, parts_of
from shared.domain.rating.windows import Window, bill_period, life_of, sections, windows, zone_of
from shared.domain.usage.cell import CellUsage


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
        return self.billed.plan

    @property
    def window(self) -> Period:
        """From when to when."""
        return self.billed.period


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """One window of an attached plan: rated anew, or known from its record.

    ``record`` sums up the ``bill``, also while the window is open.
    """

    window: Window
    record: PeriodRecord
    bill: PeriodBill | None

    @property
    def attachment(self) -> AccountPlan:
        """The attached plan."""
        return self.window.attachment

    @property
    def plan(self) -> ResolvedPlan:
        """What the plan costs in the window."""
        return self.window.plan

    @property
    def total(self) -> Decimal:
        """What its usage costs, in whole minor units of the plan's currency."""
        return self.record.total


@dataclass(frozen=True, slots=True)
class Rated:
    """What the usage of an account costs for the life of its subscription, window by window."""

    subscription: Subscription
    periods: tuple[RatedPeriod, ...]
    records: tuple[PeriodRecord, ...] = field(default=())
    """Records to be kept: of ended periods that were rated anew."""


def plan_rating(
    record: AccountRecord,
    timeline: Timeline,
    as_of: datetime,
    changed: Collection[datetime] = (),
    payer: AccountRecord | None = None,
) -> tuple[Step, ...]:
    """The windows that make up what the usage of an account costs at ``as_of``.

    Ended ones come from their records unless one of the ``changed`` hours reaches into them or
    their prices were changed since; all others are to be rated from usage. Empty without a
    subscription of the ``payer`` (the account itself, unless told) that has started. Raises
    ``NotFound`` for a plan that never was in the catalogue.
    """
    payer = payer or record
    subscription = payer.subscription
    if subscription is None or subscription.start is None:
        return ()
    life = life_of(subscription, zone_of(record, timeline.at(subscription.start)), as_of)
    if not life:
        return ()
    bounds = _bounds(payer) | _bounds(record)
    found = [
        Step(window, _known(record, window, changed))
        for history, plans, before, wanted in _histories(
            record, timeline, payer.locked, subscription
        )
        for section in sections(
            replace(record, plans=plans), history, subscription, life, before, wanted
        )
        for window in windows(section, subscription, bounds)
        if wanted(window.whole if payer is record else bill_period(payer, history, window.whole))
    ]
    return tuple(sorted(found, key=lambda step: _place(record, step)))


type _Plans = tuple[AccountPlan, ...]
type _History = tuple[Timeline, _Plans, _Plans, Callable[[Period], bool]]


def _histories(
    record: AccountRecord,
    timeline: Timeline,
    locked: Iterable[LockedBill],
    subscription: Subscription,
) -> Iterator[_History]:
    """The history of the catalogue that holds for each billing period, plans to be rated by it,
    and those that go before them: what is locked keeps the prices of its time (semantics, rule
    19), but for plans that nobody had heard of then."""
    frozen: dict[int, set[Period]] = {}
    for bill in locked:
        if bill.subscription == subscription.id:
            frozen.setdefault(bill.version, set()).add(bill.period)
    everywhere = set().union(*frozen.values())
    yield timeline, record.plans, (), lambda whole: whole not in everywhere
    for version, periods in frozen.items():
        older = timeline.until(version)
        old = tuple(plan for plan in record.plans if older.knows(plan.plan))
        yield older, old, (), periods.__contains__
        new = tuple(plan for plan in record.plans if plan not in old)
        yield timeline, new, old, periods.__contains__


def _place(record: AccountRecord, step: Step) -> tuple[int, datetime]:
    """Attachments in their order, windows by time."""
    return (record.plans.index(step.attachment), step.window.start)


def _bounds(record: AccountRecord) -> set[datetime]:
    """Moments from or until which a prepayment or credit can be drawn on."""
    grants = grants_of(record)
    return {moment for grant in grants for moment in (grant.start, grant.end)}


def _known(
    record: AccountRecord, window: Window, changed: Collection[datetime]
) -> PeriodRecord | None:
    period = window.period
    known = record.records.get(record_key(window.attachment.id, period.start))
    if known is None or known.end != period.end or known.version != window.version:
        return None
    if not {cut.at for cut in known.cuts}.issuperset(window.cuts):
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
    """What usage costs at ``as_of`` for all ``steps``, given the cells of ``usage_span``.

    Raises ``NotFound`` for an aggregation that the catalogue lacks, and ``InvalidInput`` for usage
    that its prices cannot be applied to.
    """
    counted = list(usage)
    periods: list[RatedPeriod] = []
    records: list[PeriodRecord] = []
    for step in steps:
        if step.known is not None:
            periods.append(RatedPeriod(step.billed, step.known, None))
            continue
        bill = rate_window(step.billed, counted, as_of)
        periods.append(RatedPeriod(step.billed, bill.record, bill))
        if bill.ended:
            records.append(bill.record)
    return Rated(subscription, tuple(periods), tuple(records))


def _touched(window: Period, changed: Collection[datetime]) -> bool:
    """Whether a changed hour reaches into ``window``, which may begin in the middle of one."""
    return any(window.start < hour + HOUR and hour < window.end for hour in changed)


def rate_window(window: Window, usage: Iterable[CellUsage], as_of: datetime) -> PeriodBill:
    """Price one window's usage; cells outside it do not count."""
    span, period = window.span, window.period
    start, end = period.start, period.end
    cells = [cell for cell in usage if start <= cell.start < end]
    if not window.section.bears_all:
        bears = window.section.bears
        cells = [c for c in cells if c.meter != CUSTOM_METER or bears(c.start)]
    ended = as_of >= end
    digits = minor_digits(span.plan.currency)
    quantities, cuts = _measured(window, cells, [at for at in window.cuts if at < as_of], digits)
    return PeriodBill(
        window.attachment.id,
        span.plan.code,
        period,
        _lines(window, quantities, ended=ended),
        ended,
        quantities.events,
        digits,
        window.version,
        cuts,
        () if window.free else tuple(_quantities(window, quantities)),
    )


def _measured(
    window: Window, cells: Sequence[CellUsage], cuts: Sequence[datetime], digits: int
) -> tuple[Quantities, tuple[Cut, ...]]:
    """The quantities of all cells, and what those before the cell of each cut cost by themselves.

    The latter is always floored: what rounding adds at the end of the period comes last.
    """
    catalog, plan, own = window.span.catalog, window.plan, window.custom
    if not cuts:
        return Quantities(catalog, plan, cells, None, own), ()
    minutes = cell_minutes(window.section.zone)
    made: list[Cut] = []
    so_far: Quantities | None = None
    first = window.period.start
    for at in cuts:
        last = max(cell_of(at, minutes), first)
        part = [c for c in cells if first <= c.start < last]
        so_far = Quantities(catalog, plan, part, so_far, own)
        lines = _lines(window, so_far, ended=False)
        debits = [line.amount for line in lines if line.kind is PricingKind.DEBIT]
        made.append(Cut(at, sum((floor_to(amount, digits) for amount in debits), ZERO)))
        first = last
    rest = [c for c in cells if c.start >= first]
    return Quantities(catalog, plan, rest, so_far, own), tuple(made)


def _lines(window: Window, quantities: Quantities, *, ended: bool) -> tuple[LineItem, ...]:
    catalog, terms = window.span.catalog, NO_TERMS
    lines: list[LineItem] = []
    for pricing in window.pricing():
        if isinstance(pricing.charge, Custom):
            terms = pricing.terms
        else:
            lines.append(_line(pricing, catalog, quantities, window, ended=ended))
    custom = quantities.parts.get(CUSTOM_METER, {})
    return (*lines, *custom_lines(window, custom, terms, ended=ended))


def _quantities(window: Window, quantities: Quantities) -> Iterable[Quantity]:
    billing = window.plan.billing
    if isinstance(billing, QuantityBilling):
        for place, part in enumerate(parts_of(billing)):
            yield Quantity(place, quantities.units(part.aggregation, part.segment))


def _line(
    pricing: Pricing, catalog: Catalog, quantities: Quantities, window: Window, *, ended: bool
) -> LineItem:
    measure = catalog.measure(pricing.aggregation)
    description = pricing.description or measure.name or measure.code
    usage = quantities.usage(pricing)
    priced = price_line(pricing.charge, usage, _prorated(pricing.terms, window), closing=ended)
    if window.free:
        return LineItem(
            measure.code,
            description,
            measure.unit,
            priced.quantity,
            ZERO,
            segment=pricing.segment,
            kind=pricing.kind,
        )
    overage = priced.overage.bands if priced.overage else ()
    return LineItem(
        measure.code,
        description,
        measure.unit,
        priced.quantity,
        priced.amount,
        priced.base.bands + overage,
        pricing.segment,
        priced,
        pricing.kind,
    )


def _prorated(terms: LineTerms, window: Window) -> LineTerms:
    """A minimum holds for the days it covers (semantics, rule 14a)."""
    if terms.minimum is None or window.period == window.whole:
        return terms
    return replace(terms, minimum=CONTEXT.multiply(terms.minimum, window.share()))
