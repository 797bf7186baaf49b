"""Cells, days and billing periods in every kind of time zone."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.period import (
    DAY,
    HOUR,
    Cadence,
    Frequency,
    Period,
    cell_minutes,
    cell_of,
    day_of,
    day_start,
    days_between,
    hour_of,
)

BERLIN = "Europe/Berlin"
QUARTERS = ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham",
            "America/St_Johns"]  # fmt: skip
WHOLE = ["UTC", BERLIN, "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "America/Havana"]


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def test_a_period_is_half_open() -> None:
    period = Period(utc(2026, 1, 1), utc(2026, 1, 2))
    assert utc(2026, 1, 1) in period
    assert utc(2026, 1, 1, 23, 59) in period
    assert utc(2026, 1, 2) not in period


def test_a_period_needs_aware_ends_in_order() -> None:
    with pytest.raises(ValueError, match="aware"):
        Period(utc(2026, 1, 1).replace(tzinfo=None), utc(2026, 1, 2))
    with pytest.raises(ValueError, match="after"):
        Period(utc(2026, 1, 1), utc(2026, 1, 1))


def test_overlap() -> None:
    first, second = (Period(utc(2026, 1, n), utc(2026, 1, n + 2)) for n in (1, 2))
    assert first.overlap(second) == Period(utc(2026, 1, 2), utc(2026, 1, 3))
    assert first.overlap(Period(utc(2026, 1, 3), utc(2026, 1, 4))) is None


def test_days_between_are_both_included() -> None:
    days = [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
    assert list(days_between(days[0], days[-1])) == days
    assert list(days_between(days[1], days[0])) == []


@pytest.mark.parametrize("zone", [*QUARTERS, *WHOLE])
def test_length_of_a_cell(zone: str) -> None:
    assert cell_minutes(zone) == (15 if zone in QUARTERS else 60)


MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis takes naive bounds and adds the zone


@given(MOMENTS, st.sampled_from([15, 60]))
def test_a_cell_holds_its_moment_inside_one_hour_and_day(moment: datetime, minutes: int) -> None:
    cell = cell_of(moment, minutes)
    assert cell <= moment < cell + timedelta(minutes=minutes)
    assert hour_of(cell) == hour_of(moment)
    assert day_start(day_of(cell)) <= cell < day_start(day_of(cell)) + DAY


def test_days_of_a_change_of_clocks() -> None:
    daily = Cadence(Frequency.DAILY, 1, date(2026, 1, 1), BERLIN)
    spring = daily.period_at(utc(2026, 3, 29, 12))
    autumn = daily.period_at(utc(2026, 10, 25, 12))
    assert (spring.end - spring.start, autumn.end - autumn.start) == (23 * HOUR, 25 * HOUR)


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        pytest.param("America/Havana", (2026, 3, 8), 23, id="midnight left out"),
        pytest.param("America/Havana", (2026, 11, 1), 25, id="midnight twice"),
        pytest.param("Australia/Lord_Howe", (2026, 4, 5), 24.5, id="half an hour"),
    ],
)
def test_odd_days(zone: str, day: tuple[int, int, int], length: float) -> None:
    noon = datetime(*day, 12, tzinfo=ZoneInfo(zone))
    period = Cadence(Frequency.DAILY, 1, date(2026, 1, 1), zone).period_at(noon)
    assert period.end - period.start == length * HOUR
    assert period.start.astimezone(ZoneInfo(zone)).date() == date(*day)


@pytest.mark.parametrize("anchor", [29, 30, 31])
def test_late_anchors_clamp_and_come_back(anchor: int) -> None:
    monthly = Cadence(Frequency.MONTHLY, 1, date(2027, 1, anchor), "UTC")
    starts = [p.start.day for p in monthly.periods(utc(2027, 1, anchor), utc(2027, 5, 31, 12))]
    assert starts == [anchor, 28, anchor, min(anchor, 30), anchor]


def test_the_29th_of_february_every_year() -> None:
    yearly = Cadence(Frequency.ANNUALLY, 1, date(2024, 2, 29), "UTC")
    starts = [p.start.date() for p in yearly.periods(utc(2024, 2, 29), utc(2028, 3, 1))]
    assert starts == [date(2024, 2, 29), *(date(y, 2, 28) for y in (2025, 2026, 2027)),
                      date(2028, 2, 29)]  # fmt: skip


def test_fortnights_keep_their_weekday_over_a_change_of_clocks() -> None:
    cadence = Cadence(Frequency.WEEKLY, 2, date(2026, 1, 5), BERLIN)
    periods = list(cadence.periods(utc(2026, 3, 1), utc(2026, 4, 20)))
    local = [p.start.astimezone(ZoneInfo(BERLIN)) for p in periods]
    assert {moment.weekday() for moment in local} == {0}
    assert {moment.hour for moment in local} == {0}
    assert [(b.date() - a.date()).days for a, b in pairwise(local)] == [14] * 4


def test_an_interval_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="interval"):
        Cadence(Frequency.DAILY, 0, date(2026, 1, 1), "UTC")


CADENCES = st.builds(
    Cadence,
    st.sampled_from(Frequency),
    st.integers(1, 14),
    st.dates(date(1995, 1, 1), date(2040, 12, 31)),
    st.sampled_from([*QUARTERS, *WHOLE]),
)


@given(CADENCES, MOMENTS)
def test_periods_tile_all_time(cadence: Cadence, moment: datetime) -> None:
    period = cadence.period_at(moment)
    assert moment in period
    assert cadence.period_at(period.start) == period
    assert cadence.period_at(period.end - timedelta(microseconds=1)) == period
    assert cadence.period_at(period.end).start == period.end


@given(CADENCES, MOMENTS)
def test_boundaries_are_cell_boundaries(cadence: Cadence, moment: datetime) -> None:
    start = cadence.period_at(moment).start
    assert cell_of(start, cell_minutes(cadence.zone)) == start
