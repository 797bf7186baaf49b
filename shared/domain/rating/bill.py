"""What rating produces: priced lines of one period, and the totals that outlive it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.catalog.segment import Segment
from shared.domain.ids import AggregationCode, PlanCode
from shared.domain.money import ZERO, floor_to, round_half_up
from shared.domain.period import Period
from shared.domain.rating.charge import BandUse
from shared.domain.rating.discount import PricedLine


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line of a bill: ``quantity`` units of an aggregation cost exactly ``amount``.

    ``segment`` is the part of the usage that it prices, ``steps`` the way to the amount.
    """

    aggregation: AggregationCode
    description: str
    unit: str
    quantity: Decimal
    amount: Decimal
    bands: tuple[BandUse, ...] = ()
    segment: Segment | None = None
    steps: PricedLine | None = None


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

    @property
    def total(self) -> Decimal:
        """The sum of the lines, each floored while the period is open and rounded half up at
        its end. Both only grow with usage, and rounding is never below flooring, so the
        running total never falls."""
        rounding = round_half_up if self.ended else floor_to
        return sum((rounding(line.amount, self.digits) for line in self.lines), ZERO)

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
        )


@dataclass(frozen=True, slots=True)
class PeriodRecord:
    """The total of a period that has ended, how many events it was made of, and at the prices of
    which version of the catalogue."""

    attachment: str
    start: datetime
    end: datetime
    total: Decimal
    events: int
    version: int = 0

    @property
    def key(self) -> str:
        """Names the period among all of an account's periods."""
        return record_key(self.attachment, self.start)


def record_key(attachment: str, start: datetime) -> str:
    """The key of the record of the period of ``attachment`` that starts at ``start``."""
    return f"{attachment}|{start:%Y%m%d%H%M}"
