"""Scheduled charges: when upfront, milestone and recurring charges fall due (semantics, 27)."""

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import assert_never
from zoneinfo import ZoneInfo

from shared.domain.catalog.charges import (
    Milestone,
    Recurrence,
    Recurring,
    ScheduledCharge,
    Upfront,
)
from shared.domain.period import HOUR, Cadence, Frequency, Period
from shared.domain.rating.proration import midnight

_FREQUENCIES = {
    Recurrence.DAILY: Frequency.DAILY,
    Recurrence.WEEKLY: Frequency.WEEKLY,
    Recurrence.MONTHLY: Frequency.MONTHLY,
    Recurrence.YEARLY: Frequency.ANNUALLY,
}


def times_due(charge: ScheduledCharge, begun: datetime, span: Period, zone: str) -> int:
    """How often a charge of a plan that began at ``begun`` falls due in ``span``.

    It counts what should have happened, not what a run did: what a run missed is in the next
    one's total, once.
    """
    match charge:
        case Upfront() | Milestone():
            return int(single_due(charge, begun, zone) in span)
        case Recurring():
            start = max(span.start, begun)
            if start >= span.end:
                return 0
            before = _recurrences_before(charge, begun, start, zone)
            return _recurrences_before(charge, begun, span.end, zone) - before
        case _:
            assert_never(charge)


def next_due(charge: ScheduledCharge, begun: datetime, now: datetime, zone: str) -> datetime | None:
    """When a charge falls due next after ``now``; ``None`` when it never does again."""
    match charge:
        case Upfront() | Milestone():
            due = single_due(charge, begun, zone)
            return due if due > now else None
        case Recurring():
            just_after = max(now + timedelta(microseconds=1), begun)
            nth = _recurrences_before(charge, begun, just_after, zone)
            return _recurrence(charge, begun, nth, zone)
        case _:
            assert_never(charge)


def single_due(charge: Upfront | Milestone, begun: datetime, zone: str) -> datetime:
    """When a charge that falls due once does."""
    if isinstance(charge, Milestone):
        if charge.on is not None:
            return midnight(charge.on, zone)
        return begun + timedelta(days=charge.after_days or 0)
    return begun


def _recurrence(charge: Recurring, begun: datetime, nth: int, zone: str) -> datetime:
    """The moment of the ``nth`` time, counted from 0: at the local time of day of the first."""
    if charge.every is Recurrence.HOURLY:
        return begun + nth * charge.interval * HOUR
    info = ZoneInfo(zone)
    local = begun.astimezone(info)
    cadence = Cadence(_FREQUENCIES[charge.every], charge.interval, local.date(), zone)
    return datetime.combine(cadence.boundary(nth), local.time(), info).astimezone(UTC)


def _recurrences_before(charge: Recurring, begun: datetime, moment: datetime, zone: str) -> int:
    """How many times lie before ``moment``."""
    if moment <= begun:
        return 0
    if charge.every is Recurrence.HOURLY:
        return ceil((moment - begun) / (charge.interval * HOUR))
    anchor = begun.astimezone(ZoneInfo(zone)).date()
    count = Cadence(_FREQUENCIES[charge.every], charge.interval, anchor, zone).index_at(moment)
    while _recurrence(charge, begun, count, zone) < moment:
        count += 1
    return count
