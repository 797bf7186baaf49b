"""Statement: everything that a family owes for its subscription's life, and who paid for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.catalog.billing import AmountBilling
from shared.domain.catalog.timeline import Timeline
from shared.domain.ids import DimensionId
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import CONTEXT, ZERO, floor_to, minor_digits, round_half_up
from shared.domain.period import Period
from shared.domain.rating.adjustments import Billed, split_off
from shared.domain.rating.belonging import Belonging
from shared.domain.rating.conversion import to_dollars
from shared.domain.rating.draw_down import Draw, DrawDown, Grant, draw_down, grants_of
from shared.domain.rating.entry import Entry, in_order
from shared.domain.rating.locked import DimensionAmount, LockedBill, drawn
from shared.domain.rating.owed import Owed
from shared.domain.rating.proration import local_day
from shared.domain.rating.rate import RatedPeriod
from shared.domain.rating.unit_lines import UnitLine, unit_lines
from shared.domain.rating.windows import zone_of

type UnitsKey = tuple[DimensionId, str]
"""A dimension and the Marketplace plan that prices it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One account of a family with its rated windows; alone, it is the whole family."""

    record: AccountRecord
    periods: tuple[RatedPeriod, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What is owed on bills that are not locked, what locked bills froze, and units.

    Amounts are in ``currency``. ``dollars`` is what one unit of it is worth by billing period,
    ``version`` the newest of the catalogue. ``unit_lines`` are what ``units`` are made of,
    ``zone`` is that of the account that pays.
    """

    subscription: Subscription
    members: tuple[Member, ...]
    currency: str
    drawn: DrawDown
    locked: tuple[LockedBill, ...]
    units: Mapping[UnitsKey, Decimal]
    dollars: Mapping[Period, Decimal]
    next_due: datetime | None
    version: int = 0
    unit_lines: tuple[UnitLine, ...] = ()
    zone: str = "UTC"

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything on bills that are not locked, in the order of paying."""
        return self.drawn.entries

    def wholes(self) -> list[Period]:
        """The billing periods of bills that are not locked."""
        return sorted({entry.whole for entry in self.entries})

    def of(self, whole: Period) -> tuple[list[Entry], list[list[Draw]]]:
        """A bill's entries, each with what was drawn for it."""
        places = [n for n, entry in enumerate(self.entries) if entry.whole == whole]
        draws: dict[int, list[Draw]] = {place: [] for place in places}
        for draw in self.drawn.draws:
            if draw.entry in draws:
                draws[draw.entry].append(draw)
        return [self.entries[n] for n in places], list(draws.values())

    def due(self, whole: Period | None = None) -> list[DimensionAmount]:
        """US dollars left to pay by dimension, of one bill that is not locked or of all of them.

        Of each billing period the dollars are rounded half up once everything in it is closed,
        and floored until then, so that they never fall when it closes.
        """
        net: dict[tuple[DimensionId, Decimal, Period], list[tuple[Decimal, bool]]] = {}
        for entry, paid in zip(self.entries, self.drawn.paid(), strict=True):
            if isinstance(entry.billing, AmountBilling) and whole in (None, entry.whole):
                key = (entry.billing.dimension, entry.billing.unit_price, entry.whole)
                net.setdefault(key, []).append((entry.amount - paid, entry.closed))
        return [
            DimensionAmount(dimension, price, self._dollars(parts, period))
            for (dimension, price, period), parts in net.items()
        ]

    def _dollars(self, parts: Iterable[tuple[Decimal, bool]], period: Period) -> Decimal:
        parts = list(parts)
        amount = sum((part for part, _ in parts), ZERO)
        rounding = round_half_up if all(closed for _, closed in parts) else floor_to
        return rounding(CONTEXT.multiply(amount, self.dollars[period]), 2)


def state(
    members: Sequence[Member],
    subscription: Subscription,
    timeline: Timeline,
    as_of: datetime,
    locked: Iterable[LockedBill] = (),
    used: Mapping[str, Decimal] | None = None,
    among: tuple[Subscription, ...] = (),
) -> Statement:
    """What a family owes at ``as_of``; the first of ``members`` is the one that pays.

    ``used`` is what each prepayment and credit has paid elsewhere: on ``locked`` bills, unless
    told. ``among`` are all subscriptions of the payer, where its record lacks later ones. Raises
    ``InvalidInput`` when an exchange rate is missing.
    """
    payer = members[0].record
    organization = timeline.at(as_of).organization
    currency = payer.account.currency or organization.currency
    belonging = Belonging(subscription, among or payer.subscriptions)
    owed = [
        Owed(member.record, member.periods, as_of, currency, belonging, payer if place else None)
        for place, member in enumerate(members)
    ]
    entries = sorted((entry for each in owed for entry in each.entries()), key=in_order)
    frozen = tuple(locked)
    own = [bill for bill in frozen if bill.subscription == subscription.id]
    kept, adjusted = split_off(entries, _billed(own), _home(entries, own))
    grants = [
        *_grants(members),
        *(grant for each in owed for grant in each.usage_credits()),
    ]
    digits = minor_digits(currency)
    gone = drawn(frozen) if used is None else used
    drawdown = draw_down(sorted([*kept, *adjusted], key=in_order), grants, gone, digits)
    wholes = {entry.whole for entry in drawdown.entries}
    zone = zone_of(payer, timeline.at(as_of))
    by_unit = tuple(unit_lines(owed, subscription))
    return Statement(
        subscription,
        tuple(members),
        currency,
        drawdown,
        tuple(own),
        _units(by_unit),
        {whole: _worth(timeline, whole, currency, zone) for whole in wholes},
        min((due for each in owed if (due := each.next_due())), default=None),
        timeline.newest,
        by_unit,
        zone,
    )


def _worth(timeline: Timeline, whole: Period, currency: str, zone: str) -> Decimal:
    organization = timeline.at(whole.start).organization
    return to_dollars(organization, currency, local_day(whole.start, zone))


def _billed(locked: Sequence[LockedBill]) -> Billed:
    entries = tuple(entry for bill in locked for entry in bill.entries)
    return Billed(frozenset(bill.period for bill in locked), entries)


def _home(entries: Sequence[Entry], locked: Sequence[LockedBill]) -> Period | None:
    """The first billing period after the locked ones: adjustments stand on its bill."""
    if not locked:
        return None
    last = max(bill.period.start for bill in locked)
    later = [entry.whole for entry in entries if entry.whole.start > last]
    if later:
        return min(later)
    length = max(bill.period for bill in locked)
    return Period(length.end, length.end + (length.end - length.start))


def _grants(members: Sequence[Member]) -> Iterable[Grant]:
    """The payer's pay for everyone, a child's for that child alone."""
    for place, member in enumerate(members):
        yield from grants_of(member.record, alone=place > 0)


def _units(lines: Iterable[UnitLine]) -> dict[UnitsKey, Decimal]:
    """Units of every dimension billed by quantity, over the life of the subscription (rule 26)."""
    sums: dict[UnitsKey, Decimal] = {}
    for line in lines:
        key = (line.dimension, line.sold_as)
        sums[key] = sums.get(key, ZERO) + line.units
    return sums
