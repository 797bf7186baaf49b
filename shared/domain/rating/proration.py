"""Proration by days, counted in the account's time zone (semantics, rule 12)."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from shared.domain.money import CONTEXT, ONE
from shared.domain.period import Period


def local_day(moment: datetime, zone: str) -> date:
    """The day of ``zone`` that ``moment`` lies in."""
    return moment.astimezone(ZoneInfo(zone)).date()


def midnight(day: date, zone: str) -> datetime:
    """The first instant of a day in ``zone``, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def days(period: Period, zone: str) -> Decimal:
    """The days of a span. A day belongs to the span in force at the day's end, so spans that
    follow one another never count a day twice and never leave one out."""
    return Decimal((local_day(period.end, zone) - local_day(period.start, zone)).days)


def share(active: Period, whole: Period, zone: str) -> Decimal:
    """(days active) / (days in the period)."""
    if active == whole:
        return ONE
    return CONTEXT.divide(days(active, zone), days(whole, zone))


def prorated(amount: Decimal, active: Period, whole: Period, zone: str) -> Decimal:
    """The part of ``amount`` that ``active`` days of the ``whole`` period cost; not rounded.

    Multiplied before it is divided, so that no digit is lost where none has to be.
    """
    if active == whole:
        return amount
    return CONTEXT.divide(CONTEXT.multiply(amount, days(active, zone)), days(whole, zone))
