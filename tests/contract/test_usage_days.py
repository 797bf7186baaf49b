"""What every store of folded usage keeps to."""

from datetime import date, datetime, timedelta

import pytest

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode
from shared.domain.usage.partial import Partial
from shared.ports import DayKey, UsageDay, UsageDays
from shared.storage.usage_days import TableUsageDays
from tests.contract.samples import (
    ADA,
    BOB,
    DAY,
    METER,
    NOON,
    OTHER_SHARD,
    SHARD,
    at,
    distinct_partial,
    event,
    partial_of,
)
from tests.fakes.usage_days import FakeUsageDays


@pytest.fixture(params=["fake", "azurite"])
def days(request: pytest.FixtureRequest) -> UsageDays:
    if request.param == "fake":
        return FakeUsageDays()
    return TableUsageDays(request.getfixturevalue("tables"))


ONE = partial_of(event("1"))
TWO = partial_of(event("1"), event("2"))


def day_key(account: AccountCode = ADA, day: date = DAY, segment: str = "") -> DayKey:
    return DayKey(account, day, METER, segment)


def row(cells: dict[datetime, Partial], key: DayKey | None = None) -> UsageDay:
    return UsageDay(key or day_key(), cells)


def read(days: UsageDays, account: AccountCode = ADA) -> dict[DayKey, dict[datetime, Partial]]:
    found = days.read(SHARD, account, DAY, DAY)
    return {key: dict(stored.value.cells) for key, stored in found.items()}


def version(days: UsageDays, key: DayKey | None = None) -> str:
    return days.read(SHARD, ADA, DAY, DAY)[key or day_key()].etag


def test_nothing_is_there_at_first(days: UsageDays) -> None:
    assert days.read(SHARD, ADA, DAY, DAY) == {}


def test_writing_nothing_does_nothing(days: UsageDays) -> None:
    days.write(SHARD, [])
    assert read(days) == {}


def test_a_row_comes_back_as_it_was_written(days: UsageDays) -> None:
    cells = {at(0): ONE, at(9, 45): TWO, at(23, 45): ONE}
    days.write(SHARD, [(row(cells), None)])
    (stored,) = days.read(SHARD, ADA, DAY, DAY).values()
    assert stored.value == row(cells)
    assert days.read(OTHER_SHARD, ADA, DAY, DAY) == {}
    assert read(days, BOB) == {}
    assert read(days, AccountCode("ad")) == {}


def test_a_row_is_replaced_at_its_version_only(days: UsageDays) -> None:
    days.write(SHARD, [(row({at(1): ONE}), None)])
    old = version(days)
    days.write(SHARD, [(row({at(2): TWO}), old)])
    for wrong in (old, None):
        with pytest.raises(ConcurrentUpdate):
            days.write(SHARD, [(row({at(3): ONE}), wrong)])
    assert read(days) == {day_key(): {at(2): TWO}}


def test_a_version_of_a_row_that_is_not_there_is_no_match(days: UsageDays) -> None:
    days.write(SHARD, [(row({at(1): ONE}), None)])
    with pytest.raises(ConcurrentUpdate):
        days.write(SHARD, [(row({at(1): ONE}, day_key(BOB)), version(days))])


def test_many_rows_are_written_at_once(days: UsageDays) -> None:
    written = [row({at(1): ONE}, day_key(segment=f"segment {n}")) for n in range(130)]
    days.write(SHARD, [(one, None) for one in written])
    assert read(days) == {one.key: {at(1): ONE} for one in written}
    again = days.read(SHARD, ADA, DAY, DAY)
    days.write(SHARD, [(row({at(1): TWO}, key), found.etag) for key, found in again.items()])
    assert read(days) == {one.key: {at(1): TWO} for one in written}


def test_one_stale_version_among_many_is_told(days: UsageDays) -> None:
    days.write(SHARD, [(row({at(1): ONE}), None)])
    with pytest.raises(ConcurrentUpdate):
        days.write(SHARD, [(row({}, day_key(BOB)), None), (row({at(2): TWO}), None)])
    assert read(days) == {day_key(): {at(1): ONE}}


def test_a_row_is_written_once_a_call(days: UsageDays) -> None:
    with pytest.raises(ValueError, match="once"):
        days.write(SHARD, [(row({at(1): ONE}), None), (row({at(2): ONE}), None)])


def test_a_cell_of_another_day_is_refused(days: UsageDays) -> None:
    with pytest.raises(ValueError, match="another day"):
        days.write(SHARD, [(row({NOON + timedelta(days=1): ONE}), None)])


def test_days_are_read_from_the_first_to_the_last(days: UsageDays) -> None:
    wanted = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1)]
    days.write(SHARD, [(row({}, day_key(day=day)), None) for day in wanted])
    days.write(SHARD, [(row({}, day_key(AccountCode("ada-2"), wanted[1])), None)])
    found = days.read(SHARD, ADA, date(2026, 10, 1), date(2026, 10, 31))
    assert [key.day for key in found] == wanted[1:3]


def test_segments_are_kept_apart_whatever_their_text(days: UsageDays) -> None:
    keys = [day_key(segment=text) for text in ("", "eu", "a|b", "größe/#?\\", "🎈" * 200)]
    days.write(SHARD, [(row({at(1): ONE}, key), None) for key in keys])
    assert set(read(days)) == set(keys)


def test_stored_cells_are_copies(days: UsageDays) -> None:
    partial = partial_of(event("1"))
    days.write(SHARD, [(row({at(1): partial}), None)])
    partial.add(event("2"))
    days.read(SHARD, ADA, DAY, DAY)[day_key()].value.cells[at(1)].add(event("3"))
    assert read(days) == {day_key(): {at(1): ONE}}


def test_a_day_of_large_cells_is_kept_and_changed(days: UsageDays) -> None:
    cells = {at(hour): distinct_partial(1_500, hour) for hour in range(8)}
    days.write(SHARD, [(row(cells), None)])
    assert read(days) == {day_key(): cells}
    cells[at(3)] = distinct_partial(1_600, 3)
    cells[at(4)] = ONE
    cells[at(5)] = distinct_partial(700)
    del cells[at(6)]
    days.write(SHARD, [(row(cells), version(days))])
    assert read(days) == {day_key(): cells}
    stale = version(days)
    days.write(SHARD, [(row({at(1): ONE}), stale)])
    with pytest.raises(ConcurrentUpdate):
        days.write(SHARD, [(row(cells), stale)])
    assert read(days) == {day_key(): {at(1): ONE}}


def test_a_day_above_the_size_of_a_transaction_is_kept(days: UsageDays) -> None:
    cells = {at(n // 4, n % 4 * 15): distinct_partial(10_000, n) for n in range(36)}
    days.write(SHARD, [(row(cells), None)])
    assert read(days) == {day_key(): cells}


def test_a_cell_above_the_size_of_an_entity_is_kept(days: UsageDays) -> None:
    whole = distinct_partial(140_000)
    days.write(SHARD, [(row({at(1): whole, at(2): ONE}), None)])
    assert read(days) == {day_key(): {at(1): whole, at(2): ONE}}
