"""Spans of time: hours, cells, days, and billing periods in an account's time zone."""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Frequency(StrEnum):
    """How often a plan is billed (semantics, rule 17)."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    ANNUALLY = "ANNUALLY"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A span [start, end) of aware UTC instants."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a period's ends are aware")
        if self.end <= self.start:
            raise ValueError("a period ends after it starts")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlap(self, other: "Period") -> "Period | None":
        """What both share, or ``None``."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None


def utc_text(moment: datetime) -> str:
    """An aware instant as ISO 8601 in UTC: what ``isoformat`` gives, in half of its time, since
    every event asks for it twice."""
    at = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{at.replace(tzinfo=None).isoformat()}+00:00"


def hour_of(moment: datetime) -> datetime:
    """The start of the UTC hour ``moment`` lies in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> date:
    """The UTC day ``moment`` lies in."""
    return moment.astimezone(UTC).date()


def day_start(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime.combine(day, time(), UTC)


def cell_of(moment: datetime, minutes: int) -> datetime:
    """The start of the cell of ``minutes`` (60 or 15) that ``moment`` lies in.

    Accounts in a zone whose offset is not whole hours use quarter-hour cells, so that every
    midnight of theirs is a cell boundary.
    """
    at = moment.astimezone(UTC)
    return at.replace(minute=at.minute - at.minute % minutes, second=0, microsecond=0)


def boundary_after(moment: datetime, minutes: int) -> datetime:
    """The first cell boundary that is not before ``moment``."""
    cell = cell_of(moment, minutes)
    return cell if cell == moment else cell + timedelta(minutes=minutes)


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def _add_months(anchor: date, months: int) -> date:
    """The anchor's day of the month ``months`` later, clamped to that month's end (rule 16)."""
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor.day, last))


def _nth_boundary(frequency: Frequency, interval: int, anchor: date, n: int) -> date:
    match frequency:
        case Frequency.DAILY:
            return anchor + timedelta(days=n * interval)
        case Frequency.WEEKLY:
            return anchor + timedelta(weeks=n * interval)
        case Frequency.MONTHLY:
            return _add_months(anchor, n * interval)
        case Frequency.ANNUALLY:
            return _add_months(anchor, 12 * n * interval)


_APPROXIMATE_DAYS = {
    Frequency.DAILY: 1.0,
    Frequency.WEEKLY: 7.0,
    Frequency.MONTHLY: 30.4375,
    Frequency.ANNUALLY: 365.25,
}


@dataclass(frozen=True, slots=True)
class Cadence:
    """Billing periods without end: every ``interval`` frequencies, counted from ``anchor``.

    Boundaries are midnights in ``zone``, so a day may last 23 or 25 hours (rule 15); each is
    derived from the anchor itself, never from its neighbour (rule 16).
    """

    frequency: Frequency
    interval: int
    anchor: date
    zone: str

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ValueError("an interval is at least 1")

    def boundary(self, n: int) -> date:
        """The day on which the ``n``-th period begins; the anchor's own is the 0th."""
        return _nth_boundary(self.frequency, self.interval, self.anchor, n)

    def index_at(self, moment: datetime) -> int:
        """The number of the period that ``moment`` lies in."""
        local = moment.astimezone(ZoneInfo(self.zone)).date()
        span = _APPROXIMATE_DAYS[self.frequency] * self.interval
        n = int((local - self.anchor).days // span)
        while self.boundary(n) > local:
            n -= 1
        while self.boundary(n + 1) <= local:
            n += 1
        return n

    def nth(self, n: int) -> Period:
        """The ``n``-th period."""
        zone = ZoneInfo(self.zone)
        return Period(self._instant(n, zone), self._instant(n + 1, zone))

    def period_at(self, moment: datetime) -> Period:
        """The billing period that ``moment`` lies in."""
        return self.nth(self.index_at(moment))

    def periods(self, start: datetime, until: datetime) -> Iterator[Period]:
        """Every billing period that touches [start, until), in order."""
        at = start
        while at < until:
            period = self.period_at(at)
            yield period
            at = period.end

    def _instant(self, n: int, zone: ZoneInfo) -> datetime:
        return datetime.combine(self.boundary(n), time(), zone).astimezone(UTC)


def cell_minutes(zone: str) -> int:
    """Length of a cell for accounts in ``zone``: 60, or 15 where midnights fall off the hour."""
    info = ZoneInfo(zone)
    for year in (2020, 2026, 2032):
        for month in (1, 7):
            offset = datetime(year, month, 1, tzinfo=info).utcoffset() or timedelta()
            if offset % HOUR:
                return 15
    return 60
