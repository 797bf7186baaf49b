"""Schedules: NCRONTAB and time spans."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.cron import CronSchedule, ScheduleError, parse_schedule


@pytest.mark.parametrize(
    ("expression", "moment", "expected"),
    [
        ("0 5 * * * *", "2026-11-22T10:04:59", "2026-11-22T10:05:00"),
        ("0 5 * * * *", "2026-11-22T10:05:00", "2026-11-22T11:05:00"),
        ("0 5 * * * *", "2026-11-22T10:05:00.500000", "2026-11-22T11:05:00"),
        ("5 * * * *", "2026-11-22T23:30:00", "2026-11-23T00:05:00"),
        ("*/15 * * * * *", "2026-11-22T10:00:16", "2026-11-22T10:00:30"),
        ("0 0 9-17/4 * * *", "2026-11-22T10:00:00", "2026-11-22T13:00:00"),
        ("0 50/5 * * * *", "2026-11-22T10:56:00", "2026-11-22T11:50:00"),
        ("0 0 8,20 * * *", "2026-11-22T09:00:00", "2026-11-22T20:00:00"),
        ("0 30 9 * Jan-Mar Mon", "2026-11-22T00:00:00", "2027-01-04T09:30:00"),
        ("0 0 0 1 january *", "2026-11-22T00:00:00", "2027-01-01T00:00:00"),
        ("0 0 0 * * 1-5", "2026-11-20T12:00:00", "2026-11-23T00:00:00"),
        ("0 0 0 * * 0", "2026-11-20T12:00:00", "2026-11-22T00:00:00"),
        ("0 0 0 * * Fri-Mon", "2026-11-20T12:00:00", "2026-11-23T00:00:00"),
        ("0 0 0 13 * Fri", "2026-11-22T00:00:00", "2027-08-13T00:00:00"),
        ("0 0 0 29 2 *", "2097-01-01T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 0 31 * *", "2026-11-22T00:00:00", "2026-12-31T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:59", "2027-12-31T23:59:59"),
    ],
)
def test_next_match(expression: str, moment: str, expected: str) -> None:
    found = parse_schedule(expression).next_after(datetime.fromisoformat(moment + "+00:00"))
    assert found == datetime.fromisoformat(expected + "+00:00")


def test_times_of_other_zones_are_taken_to_utc() -> None:
    moment = datetime(2026, 11, 22, 3, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert parse_schedule("0 0 * * * *").next_after(moment) == datetime(
        2026, 11, 21, 22, 0, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("00:00:30", timedelta(seconds=30)),
        ("1.00:00:00", timedelta(days=1)),
        ("00:00:00.5", timedelta(seconds=0.5)),
        ("02:30", timedelta(hours=2, minutes=30)),
    ],
)
def test_time_span(text: str, pause: timedelta) -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    assert parse_schedule(text).next_after(moment) == moment + pause


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("60 * * * * *", "second '60': not in 0 to 59"),
        ("0 0 24 * * *", "hour '24'"),
        ("0 0 0 0 * *", "day '0'"),
        ("0 0 0 * 13 *", "month '13'"),
        ("0 0 0 * * 7", "day of week '7'"),
        ("0 0 0 * * Mo", "day of week 'Mo' cannot be read"),
        ("*/0 * * * * *", "step"),
        ("*/x * * * * *", "step"),
        ("1- * * * * *", "second '1-'"),
        ("1,,2 * * * * *", "second ''"),
        ("0 0 0 L * *", "day 'L'"),
        ("0 0 0 30 2 *", "never comes"),
        ("00:00:00", "time span above zero"),
        ("24:00:00", "time span above zero"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, problem: str) -> None:
    with pytest.raises(ScheduleError, match=problem.replace("(", r"\(")):
        parse_schedule(text)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.lists(number, min_size=1, max_size=3).map(lambda many: ",".join(map(str, many))),
        st.tuples(number, number, st.integers(1, 9)).map(
            lambda part: f"{min(part[:2])}-{max(part[:2])}/{part[2]}"
        ),
    )


@given(
    st.tuples(_field(0, 59), _field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12)),
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_a_match_is_later_fits_every_field_and_repeats(
    fields: tuple[str, ...], naive: datetime
) -> None:
    schedule = parse_schedule(" ".join((*fields, "*")))
    assert isinstance(schedule, CronSchedule)
    moment = naive.replace(tzinfo=UTC)
    found = schedule.next_after(moment)
    assert found > moment
    assert found.second in schedule.seconds
    assert found.minute in schedule.minutes
    assert found.hour in schedule.hours
    assert found.day in schedule.days
    assert found.month in schedule.months
    # Nothing lies between: from any point before the match it is found again.
    middle = moment + (found - moment) / 2
    assert schedule.next_after(middle) == found
