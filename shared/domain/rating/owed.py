"""What an account owes, entry by entry: usage, minimums, standing, scheduled, ad-hoc charges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from shared.domain.account import AccountRecord
from shared.domain.catalog.charges import Recurring, ScheduledCharge
from shared.domain.grants import AdHocCharge
from shared.domain.ids import DimensionId, ProductCode
from shared.domain.money import CONTEXT, ZERO, minor_digits, round_half_up
from shared.domain.period import Period
from shared.domain.rating.belonging import Belonging
from shared.domain.rating.conversion import converted, exchange_rate
from shared.domain.rating.draw_down import Grant, GrantKind
from shared.domain.rating.entry import Entry, EntryKind
from shared.domain.rating.minimum import MinimumPart, minimum_due, top_up
from shared.domain.rating.proration import local_day
from shared.domain.rating.rate import RatedPeriod
from shared.domain.rating.scheduled import next_due, single_due, times_due
from shared.domain.rating.standing import next_standing, standing_charges
from shared.domain.rating.windows import TICK, Section, bill_period


@dataclass(frozen=True, slots=True)
class FixedUnits:
    """Units of a dimension that a scheduled or ad-hoc charge asks for."""

    section: Section
    at: datetime
    dimension: DimensionId
    units: Decimal
    description: str = ""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A scheduled charge that fell due ``times`` times in ``span``."""

    charge: ScheduledCharge
    section: Section
    span: Period
    times: int


@dataclass(frozen=True, slots=True)
class Owed:
    """What one account of a family owes at ``as_of`` by its rated windows, in ``currency``; of a
    child, on the bills of the ``payer``. What is due once counts where it is ``belonging``."""

    record: AccountRecord
    periods: tuple[RatedPeriod, ...]
    as_of: datetime
    currency: str
    belonging: Belonging
    payer: AccountRecord | None = None

    def entries(self) -> Iterator[Entry]:
        """Every entry. Raises ``InvalidInput`` when an exchange rate is missing."""
        for period in self.periods:
            yield from self._usage(period)
        yield from self._minimums()
        for section in self.sections():
            yield from self._standing(section)
        for due in self.scheduled():
            if due.charge.due.amount is not None:
                yield self._scheduled(due, CONTEXT.multiply(due.charge.due.amount, due.times))
        for charge, section in self._ad_hoc():
            if charge.due.amount is not None:
                yield self._charged(charge, section, charge.due.amount)

    def fixed_units(self) -> Iterator[FixedUnits]:
        """Units that charges ask for, of plans billed by quantity."""
        for due in self.scheduled():
            wanted = due.charge.due
            if wanted.dimension is not None and wanted.quantity is not None:
                units = due.times * wanted.quantity
                told = due.charge.description or due.charge.code
                yield FixedUnits(due.section, due.span.start, wanted.dimension, units, told)
        for charge, section in self._ad_hoc():
            asked, told = charge.due, charge.description or charge.id
            if asked.dimension is not None and asked.quantity is not None:
                yield FixedUnits(section, charge.at, asked.dimension, asked.quantity, told)

    def usage_credits(self) -> Iterator[Grant]:
        """What prices measured whose kind is a credit; each pays in the window it came from."""
        for period in self.periods:
            window, record = period.window, period.record
            products = (("product", (window.plan.product,), record.product_credit),)
            for name, bound, exact in (*products, ("global", (), record.global_credit)):
                if exact:
                    amount = self._converted(exact, window.section, window.whole)
                    yield Grant(
                        GrantKind.USAGE_CREDIT,
                        f"{record.key}|{name}",
                        amount,
                        window.period.start,
                        window.period.end,
                        products=bound,
                        account=self.record.account.code,
                    )

    def sections(self) -> tuple[Section, ...]:
        """The parts of the account's plans, in order."""
        found = {id(p.window.section): p.window.section for p in self.periods}
        return tuple(found.values())

    def next_due(self) -> datetime | None:
        """When a charge falls due next; ``None`` when none is to come."""
        charges = [each for each in self.record.charges if self.belonging.has(each.at)]
        coming = [charge.at for charge in charges if charge.at > self.as_of]
        for section in self.sections():
            if section.until < self.as_of:
                continue
            if (part := _charged_part(section)) and (standing := section.plan.standing_charge):
                cadence = section.cadence_of(standing.frequency)
                due = next_standing(standing, cadence, section.begun, part, self.as_of)
                coming += [due] if due else []
            for charge in self._charges(section):
                due = next_due(charge, section.begun, self.as_of, section.zone)
                coming += [due] if due and due < section.active.end else []
        return min(coming, default=None)

    def scheduled(self) -> Iterator[Scheduled]:
        """Scheduled charges that have fallen due, gathered by the spans of rating."""
        now = self.as_of + TICK
        for period in self.periods:
            window = period.window
            end = min(window.period.end, now)
            ends = [cut for cut in window.cuts if cut < end]
            for first, last in pairwise([window.period.start, *ends, end]):
                for charge in self._charges(window.section):
                    span = Period(first, last)
                    times = times_due(charge, window.section.begun, span, window.section.zone)
                    if times:
                        yield Scheduled(charge, window.section, span, times)

    def _usage(self, period: RatedPeriod) -> Iterator[Entry]:
        window = period.window
        upto, before = ZERO, ZERO
        for span, amount in period.record.slices(window.cuts):
            upto += amount
            now = self._converted(upto, window.section, window.whole)
            yield self._entry(
                EntryKind.USAGE, f"usage|{period.record.key}", window.section, span, now - before
            )
            before = now

    def _minimums(self) -> Iterator[Entry]:
        groups: dict[tuple[str, Period], list[RatedPeriod]] = {}
        for period in self.periods:
            groups.setdefault((period.attachment.id, period.window.whole), []).append(period)
        for (attachment, whole), parts in groups.items():
            window = parts[-1].window
            if not any(part.plan.minimum_spend for part in parts):
                continue
            closed = window.section.closed(whole, self.as_of)
            missing = top_up(
                minimum_due(_minimum_parts(parts), minor_digits(window.plan.currency)),
                sum((part.total for part in parts), ZERO),
                closed=closed,
            )
            if missing:
                amount = self._converted(missing, window.section, whole)
                spend = window.plan.minimum_spend
                yield self._entry(
                    EntryKind.MINIMUM,
                    f"minimum|{attachment}|{whole.start:%Y%m%d%H%M}",
                    window.section,
                    Period(parts[0].window.period.start, window.period.end),
                    amount,
                    at=window.period.end - TICK,
                    description=spend.description if spend else "",
                )

    def _standing(self, section: Section) -> Iterator[Entry]:
        charge, part = section.plan.standing_charge, _charged_part(section)
        if charge is None or part is None:
            return
        cadence = section.cadence_of(charge.frequency)
        for due in standing_charges(charge, cadence, section.begun, part, self.as_of):
            at = due.due if due.due < due.active.end else due.due - TICK
            if not section.decides(self._whole(section, at)):
                continue
            yield self._entry(
                EntryKind.STANDING,
                f"standing|{section.attachment.id}|{due.active.start:%Y%m%d%H%M}",
                section,
                due.active,
                self._rounded(due.amount, section, at),
                at=at,
                description=charge.description,
            )

    def _scheduled(self, due: Scheduled, amount: Decimal) -> Entry:
        section, charge, span = due.section, due.charge, due.span
        if not isinstance(charge, Recurring):
            moment = single_due(charge, section.begun, section.zone)
            span = Period(moment, moment + TICK)
        return self._entry(
            EntryKind.SCHEDULED,
            f"scheduled|{section.attachment.id}|{charge.code}|{due.span.start:%Y%m%d%H%M}",
            section,
            span,
            self._rounded(amount, section, due.span.start),
            at=due.span.start,
            description=charge.description or charge.code,
        )

    def _charged(self, charge: AdHocCharge, section: Section, amount: Decimal) -> Entry:
        return self._entry(
            EntryKind.AD_HOC,
            f"charge|{charge.id}",
            section,
            Period(charge.at, charge.at + TICK),
            round_half_up(amount, minor_digits(self.currency)),
            description=charge.description or charge.id,
            product=charge.product,
        )

    def _ad_hoc(self) -> Iterator[tuple[AdHocCharge, Section]]:
        """Single charges that are due, each with the plan that was in force."""
        sections = self.sections()
        if not sections:
            return
        for charge in self.record.charges:
            if charge.at <= self.as_of and self.belonging.has(charge.at):
                yield charge, self._section_at(sections, charge)

    def _charges(self, section: Section) -> list[ScheduledCharge]:
        charges = section.plan.charges
        return [each for each in charges if not self.belonging.fell_due_before(each, section)]

    def _entry(
        self,
        kind: EntryKind,
        key: str,
        section: Section,
        span: Period,
        amount: Decimal,
        *,
        at: datetime | None = None,
        description: str = "",
        product: ProductCode | None = None,
    ) -> Entry:
        moment = at or span.start
        own = section.cadence.period_at(moment)
        return Entry(
            kind=kind,
            key=key,
            account=self.record.account.code,
            attachment=section.attachment.id,
            plan=section.plan.code,
            at=moment,
            amount=amount,
            product=product or (None if kind is EntryKind.AD_HOC else section.plan.product),
            period=span,
            whole=self._whole(section, moment),
            billing=section.plan.billing,
            closed=section.closed(own, self.as_of),
            description=description,
        )

    def _whole(self, section: Section, moment: datetime) -> Period:
        """The billing period on whose bill stands what falls due at ``moment``."""
        own = section.cadence.period_at(moment)
        return bill_period(self.payer, section.timeline, own) if self.payer else own

    def _section_at(self, sections: Sequence[Section], charge: AdHocCharge) -> Section:
        """The plan that a charge belongs to: of its product if there is one, in force at its moment
        or else the last before it, in the history that decides on the bill it stands on."""
        at = charge.at
        own = [s for s in sections if charge.product in (None, s.plan.product)] or list(sections)
        own = [s for s in own if s.decides(self._whole(s, at))] or own
        begun = [section for section in own if section.active.start <= at]
        running = [section for section in begun if at < section.active.end]
        return (running or begun[-1:] or own)[0]

    def _rounded(self, amount: Decimal, section: Section, at: datetime) -> Decimal:
        """An exact amount in the plan's currency, rounded once and converted."""
        rounded = round_half_up(amount, minor_digits(section.plan.currency))
        return self._converted(rounded, section, section.cadence.period_at(at))

    def _converted(self, amount: Decimal, section: Section, whole: Period) -> Decimal:
        """In the bill's currency, at the rate in force at the start of the billing period."""
        if section.plan.currency == self.currency:
            return amount
        organization = section.timeline.at(whole.start).organization
        day = local_day(whole.start, section.zone)
        rate = exchange_rate(organization, section.plan.currency, self.currency, day)
        closed = section.closed(whole, self.as_of)
        return converted(amount, rate, self.currency, closed=closed)


def _charged_part(section: Section) -> Period | None:
    """The part of a section in which charges by time run: after the trial."""
    start = max(section.active.start, section.free_until)
    return Period(start, section.active.end) if start < section.active.end else None


def _minimum_parts(periods: Sequence[RatedPeriod]) -> Iterator[MinimumPart]:
    for period in periods:
        spend = period.plan.minimum_spend
        if spend is not None and not period.window.free:
            yield MinimumPart(spend.amount, period.window.share())
