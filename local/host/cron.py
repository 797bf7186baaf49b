"""Schedules of timer functions: NCRONTAB expressions and plain time spans."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.host.timespan import parse_timespan

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAYS = (
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
)
# The longest pause between two matches is 40 years: a 29 February on a given weekday over a
# century year without one. Past that, an expression such as "30 February" never comes.
_HORIZON_YEARS = 41


class ScheduleError(ValueError):
    """A schedule cannot be read, or never comes; the message names the field."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """An NCRONTAB expression of six fields, in UTC; both day fields have to match."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first match later than ``moment`` (aware); raises ``ScheduleError`` if none."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        limit = start.year + _HORIZON_YEARS
        while day.year <= limit:
            if day.month not in self.months:
                day = day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])
                continue
            if day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                found = self._first_time(day, start)
                if found is not None:
                    return found
            day += timedelta(days=1)
        raise ScheduleError("the schedule never comes")

    def _first_time(self, day: datetime, start: datetime) -> datetime | None:
        for hour in self.hours:
            if day.replace(hour=hour, minute=59, second=59) < start:
                continue
            for minute in self.minutes:
                if day.replace(hour=hour, minute=minute, second=59) < start:
                    continue
                for second in self.seconds:
                    candidate = day.replace(hour=hour, minute=minute, second=second)
                    if candidate >= start:
                        return candidate
        return None


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """A fixed pause between runs."""

    interval: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """``moment`` plus the interval."""
        return moment.astimezone(UTC) + self.interval


type Schedule = CronSchedule | IntervalSchedule


def parse_schedule(text: str) -> Schedule:
    """Read an NCRONTAB expression (5 or 6 fields) or a time span ``hh:mm:ss``.

    Syntax: Microsoft Learn, "Timer trigger for Azure Functions", NCRONTAB expressions. Raises
    ``ScheduleError``.
    """
    if ":" in text:
        seconds = parse_timespan(text)
        if not seconds:
            raise ScheduleError(f"{text!r} is not a time span above zero")
        return IntervalSchedule(timedelta(seconds=seconds))
    parts = text.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise ScheduleError(f"{text!r} has {len(parts)} fields, not 5 or 6")
    values = [_parse_field(part, spec) for part, spec in zip(parts, _FIELDS, strict=True)]
    second, minute, hour, day, month, weekday = values
    schedule = CronSchedule(
        seconds=tuple(sorted(second)),
        minutes=tuple(sorted(minute)),
        hours=tuple(sorted(hour)),
        days=day,
        months=month,
        weekdays=weekday,
    )
    schedule.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    return schedule


def _parse_field(text: str, spec: _Field) -> frozenset[int]:
    values: set[int] = set()
    for item in text.split(","):
        values.update(_parse_item(item, spec))
    return frozenset(values)


def _parse_item(item: str, spec: _Field) -> range:
    span, slash, step_text = item.partition("/")
    step = _parse_step(step_text, item, spec) if slash else 1
    if span == "*":
        return range(spec.low, spec.high + 1, step)
    first_text, dash, last_text = span.partition("-")
    first = _parse_value(first_text, item, spec)
    last = spec.high if slash else first
    if dash:
        last = _parse_value(last_text, item, spec)
    # NCRONTAB reads a range the wrong way round as if its ends were swapped.
    return range(min(first, last), max(first, last) + 1, step)


def _parse_step(text: str, item: str, spec: _Field) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise ScheduleError(f"{spec.name} {item!r}: the step must be a number above zero")
    return int(text)


def _parse_value(text: str, item: str, spec: _Field) -> int:
    if text.isascii() and text.isdigit():
        value = int(text)
        if not spec.low <= value <= spec.high:
            raise ScheduleError(f"{spec.name} {item!r}: not in {spec.low} to {spec.high}")
        return value
    if len(text) >= 3:
        for index, name in enumerate(spec.names):
            if name.startswith(text.lower()):
                return index + spec.low
    raise ScheduleError(f"{spec.name} {item!r} cannot be read")
