"""What rating produces: priced lines of one period, and the totals that outlive it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.catalog.plan import PricingKind
from shared.domain.catalog.segment import Segment
from shared.domain.ids import AggregationCode, PlanCode
from shared.domain.money import ZERO, floor_to, round_half_up
from shared.domain.period import Period
from shared.domain.rating.charge import BandUse
from shared.domain.rating.discount import PricedLine
from shared.domain.rating.waterfall import Quantity


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line of a bill: ``quantity`` units of an aggregation cost exactly ``amount``.

    ``segment`` is the part of the usage that it prices, ``steps`` the way to the amount. Of a
    ``kind`` that is a credit, the amount pays for other lines. Of custom usage ``at`` is when
    its first event was.
    """

    aggregation: AggregationCode
    description: str
    unit: str
    quantity: Decimal
    amount: Decimal
    bands: tuple[BandUse, ...] = ()
    segment: Segment | None = None
    steps: PricedLine | None = None
    kind: PricingKind = PricingKind.DEBIT
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """What a period's usage amounts to up to a moment inside it, in whole minor units."""

    at: datetime
    total: Decimal


@dataclass(frozen=True, slots=True)
class PeriodBill:
    """The lines of one attached plan in one billing period, or in the part of it that counts.

    ``ended`` says whether the period is over at the time of rating; ``digits`` are the decimal
    places of the currency; ``version`` is the catalogue's that brought these prices.
    """

    attachment: str
    plan: PlanCode
    window: Period
    lines: tuple[LineItem, ...]
    ended: bool
    events: int
    digits: int = 2
    version: int = 0
    cuts: tuple[Cut, ...] = ()
    quantities: tuple[Quantity, ...] = ()

    @property
    def total(self) -> Decimal:
        """The sum of the lines, each floored while the period is open and rounded half up at
        its end. Both only grow with usage, and rounding is never below flooring, so the
        running total never falls."""
        return self._sum(PricingKind.DEBIT)

    def line_amount(self, line: LineItem) -> Decimal:
        """What a line counts for, in whole minor units."""
        rounding = round_half_up if self.ended else floor_to
        return rounding(line.amount, self.digits)

    def _sum(self, kind: PricingKind) -> Decimal:
        return sum((self.line_amount(line) for line in self.lines if line.kind is kind), ZERO)

    @property
    def record(self) -> "PeriodRecord":
        """What is kept of this bill once its period has ended."""
        return PeriodRecord(
            self.attachment,
            self.window.start,
            self.window.end,
            self.total,
            self.events,
            self.version,
            self._sum(PricingKind.PRODUCT_CREDIT),
            self._sum(PricingKind.GLOBAL_CREDIT),
            self.cuts,
            self.quantities,
        )


@dataclass(frozen=True, slots=True)
class PeriodRecord:
    """The total of a period that has ended, how many events it was made of, and at the prices of
    which version of the catalogue.

    ``product_credit`` and ``global_credit`` were measured in it, ``quantities`` are what is billed
    by quantity.
    """

    attachment: str
    start: datetime
    end: datetime
    total: Decimal
    events: int
    version: int = 0
    product_credit: Decimal = ZERO
    global_credit: Decimal = ZERO
    cuts: tuple[Cut, ...] = ()
    quantities: tuple[Quantity, ...] = ()

    @property
    def key(self) -> str:
        """Names the period among all of an account's periods."""
        return record_key(self.attachment, self.start)

    @property
    def rank(self) -> tuple[int, int]:
        """A record never gives way to one of smaller rank: prices of a newer version go before
        more events, since a version may divide the period and leave fewer in a part."""
        return (self.version, self.events)

    def slices(self, cuts: tuple[datetime, ...]) -> list[tuple[Period, Decimal]]:
        """The total divided at ``cuts``, none of which lacks its record: each part's span and
        what it adds, never below zero."""
        sums: Mapping[datetime, Decimal] = {cut.at: cut.total for cut in self.cuts}
        ends = [*(cut for cut in cuts if cut in sums), self.end]
        upto = [*(sums[cut] for cut in ends[:-1]), self.total]
        for place in range(len(upto) - 2, -1, -1):
            upto[place] = min(upto[place], upto[place + 1])
        parts: list[tuple[Period, Decimal]] = []
        start, before = self.start, ZERO
        for end, total in zip(ends, upto, strict=True):
            parts.append((Period(start, end), total - before))
            start, before = end, total
        return parts


def record_key(attachment: str, start: datetime) -> str:
    """The key of the record of the period of ``attachment`` that starts at ``start``."""
    return f"{attachment}|{start:%Y%m%d%H%M}"
