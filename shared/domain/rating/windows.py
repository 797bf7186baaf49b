"""Windows: the spans of an account's life in which usage is billed at one set of prices."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from shared.domain.account import AccountPlan, AccountRecord, CustomHistory
from shared.domain.catalog.billing import AmountBilling, QuantityBilling
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom import CustomFields
from shared.domain.catalog.plan import Pricing
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.catalog.timeline import END, PlanSpan, Timeline
from shared.domain.ids import AccountCode
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.period import Cadence, Frequency, Period, boundary_after, cell_minutes, cell_of
from shared.domain.rating.proration import local_day, midnight, share
from shared.domain.rating.trial import first_begun, trial_end
from shared.domain.rating.waterfall import refills

TICK = timedelta(microseconds=1)
"""The last instant of a period is this much before its end."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an attached plan's life in which it costs the same.

    ``active`` may reach into the future, ``until`` is how far it has come. ``begun`` is when the
    attached plan began to count and ``ends`` when it no longer does, if that is known;
    ``free_until`` is when its trial ends. ``cadence`` has its billing periods. In ``ahead`` of it
    are plans that were attached before it and bear the account's custom usage. Where bills are
    locked there is a section for the history of each; it ``decides`` on the bills of some periods.
    """

    account: AccountCode
    attachment: AccountPlan
    timeline: Timeline
    span: PlanSpan
    active: Period
    until: datetime
    begun: datetime
    ends: datetime
    free_until: datetime
    cadence: Cadence
    anchors: "Anchors"
    customs: CustomHistory
    ahead: tuple[Period, ...] = ()
    decides: Callable[[Period], bool] = field(default=lambda _: True, compare=False)

    def bears(self, moment: datetime) -> bool:
        """Whether custom usage of ``moment`` is billed by this plan: by the first attached one
        that is billed by amount, so that it is billed once."""
        by_amount = isinstance(self.plan.billing, AmountBilling)
        return by_amount and not any(moment in taken for taken in self.ahead)

    @property
    def bears_all(self) -> bool:
        """Whether all custom usage while it lasts is billed by this plan."""
        return isinstance(self.plan.billing, AmountBilling) and not self.ahead

    @property
    def plan(self) -> ResolvedPlan:
        """What it costs."""
        return self.span.plan

    def closed(self, whole: Period, as_of: datetime) -> bool:
        """Whether the plan's part of a billing period is over."""
        return as_of >= min(whole.end, self.ends)

    @property
    def zone(self) -> str:
        """The time zone that the account is billed in."""
        return self.cadence.zone

    def cadence_of(self, frequency: Frequency | None) -> Cadence:
        """Single periods of a charge's own frequency, else of the plan's."""
        if frequency is None:
            return self.cadence
        return Cadence(frequency, 1, self.anchors(frequency), self.zone)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where an account's periods are counted from: its own epoch, else the organization's."""

    record: AccountRecord
    catalog: Catalog

    def __call__(self, frequency: Frequency) -> date:
        """The anchor of periods of ``frequency``."""
        return self.record.account.epoch or self.catalog.organization.anchor(frequency)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in which an attached plan is billed at one set of prices.

    ``whole`` is the billing period it is a part of; ``version`` is the catalogue's that has the
    last say in it. ``cuts`` are moments inside it up to which the amount is wanted, too, because
    a prepayment or a credit begins or ends at them.
    """

    section: Section
    period: Period
    whole: Period
    version: int
    cuts: tuple[datetime, ...] = ()

    @property
    def attachment(self) -> AccountPlan:
        """The attached plan."""
        return self.section.attachment

    @property
    def span(self) -> PlanSpan:
        """What the plan costs."""
        return self.section.span

    @property
    def plan(self) -> ResolvedPlan:
        """What the plan costs."""
        return self.section.span.plan

    @property
    def custom(self) -> CustomFields:
        """Custom fields of the account: those in force when the window begins, to its end."""
        return self.section.customs.at(self.period.start)

    @property
    def free(self) -> bool:
        """Whether it lies in a free trial."""
        return self.period.start < self.section.free_until

    def pricing(self) -> tuple[Pricing, ...]:
        """The prices in force."""
        return self.plan.prices_on(local_day(self.period.start, self.section.zone))

    def share(self) -> Decimal:
        """Its days as a part of the billing period's (semantics, rule 12)."""
        return share(self.period, self.whole, self.section.zone)


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


def sections(
    record: AccountRecord,
    timeline: Timeline,
    subscription: Subscription,
    life: Period,
    before: Iterable[AccountPlan] = (),
    decides: Callable[[Period], bool] = lambda _: True,
) -> Iterator[Section]:
    """Every part of every attached plan, clipped to the attachment and to ``life``.

    Plans of ``before`` bear custom usage before those of ``record`` do.

    A part still running ends at its own end, so that its windows keep one name until then. Raises
    ``NotFound`` for a plan that no version of the catalogue has.
    """
    over = life.end if subscription.end == life.end else END
    ahead = [spell for plan in before for spell in _by_amount(plan, timeline)]
    for attachment in record.plans:
        within = attachment.within(life.end)
        active = within.overlap(life) if within else None
        if active is None:
            continue
        end = min(attachment.end or END, over)
        for span in timeline.spans(attachment.plan):
            start, until = max(active.start, span.start), min(active.end, span.end)
            if start < until:
                part = Period(start, min(span.end, end))
                section = _section(
                    record, attachment, timeline, span, part, until, active.start, end, life
                )
                yield replace(section, ahead=tuple(ahead), decides=decides)
        ahead += _by_amount(attachment, timeline)


def _by_amount(attachment: AccountPlan, timeline: Timeline) -> Iterator[Period]:
    """When an attached plan is billed by amount."""
    if not timeline.knows(attachment.plan):
        return
    for span in timeline.spans(attachment.plan):
        start, end = max(attachment.start, span.start), min(attachment.end or END, span.end)
        if isinstance(span.plan.billing, AmountBilling) and start < end:
            yield Period(start, end)


def _section(
    record: AccountRecord,
    attachment: AccountPlan,
    timeline: Timeline,
    span: PlanSpan,
    active: Period,
    until: datetime,
    begun: datetime,
    ends: datetime,
    life: Period,
) -> Section:
    plan, zone = span.plan, zone_of(record, span.catalog)
    anchors = Anchors(record, span.catalog)
    tried = max(first_begun(record.plans, attachment.plan), life.start)
    return Section(
        account=record.account.code,
        attachment=attachment,
        timeline=timeline,
        span=span,
        active=active,
        until=until,
        begun=begun,
        ends=ends,
        free_until=trial_end(tried, plan.free_trial, zone),
        cadence=Cadence(plan.frequency, plan.interval, anchors(plan.frequency), zone),
        anchors=anchors,
        customs=record.customs,
    )


def bill_period(payer: AccountRecord, timeline: Timeline, whole: Period) -> Period:
    """The billing period of a payer on whose bill a child's period stands: the one in which the
    child's ends, by the plan that the payer has then. Its own while the payer has no plan."""
    moment = whole.end - TICK
    begun = [plan for plan in payer.plans if plan.start <= moment]
    if not begun:
        return whole
    running = [plan for plan in begun if plan.end is None or plan.end > moment]
    code = (running or begun[-1:])[0].plan
    span = next(span for span in timeline.spans(code) if span.start <= moment < span.end)
    frequency = span.plan.frequency
    anchor = Anchors(payer, span.catalog)(frequency)
    cadence = Cadence(frequency, span.plan.interval, anchor, zone_of(payer, span.catalog))
    return cadence.period_at(moment)


def windows(
    section: Section,
    subscription: Subscription,
    bounds: Collection[datetime] = (),
) -> Iterator[Window]:
    """The windows of a section that have begun: divided where a billing period, a price, the
    trial or an included quantity begins anew. ``bounds`` are the moments to cut at."""
    changes = [midnight(day, section.zone) for day in section.plan.price_changes()]
    changes.append(section.free_until)
    for whole in section.cadence.periods(section.active.start, section.until):
        part = whole.overlap(section.active)
        if part is None:
            continue
        inner = [*changes, *_refills(section, subscription, part)]
        marks = sorted({moment for moment in inner if part.start < moment < part.end})
        for first, last in pairwise([part.start, *marks, part.end]):
            if first < section.until:
                version = section.timeline.version_of(section.span, first, last)
                cuts = tuple(sorted({m for m in bounds if first < m < last}))
                yield Window(section, Period(first, last), whole, version, cuts)


def _refills(section: Section, subscription: Subscription, part: Period) -> Iterable[datetime]:
    """Where included quantities begin anew, and units are sold as another Marketplace plan."""
    billing = section.plan.billing
    if not isinstance(billing, QuantityBilling):
        return ()
    minutes = cell_minutes(section.zone)
    sold = [boundary_after(spell.start, minutes) for spell in subscription.spells]
    return (*sold, *refills(billing, subscription, part))
