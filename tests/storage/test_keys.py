"""Keys: legal whatever the names, different for different things, ordered like time."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.ids import (
    SHARDS,
    AccountCode,
    DimensionId,
    MeterCode,
    Resource,
    Shard,
    all_shards,
)
from shared.domain.metering.ledger import LedgerKey
from shared.domain.usage.event import EventKey
from shared.ports import AgendaEntry, DayKey, Mark, PartialKey
from shared.storage import keys
from shared.storage.keys import RowRange
from shared.storage.limits import KEY_BYTES, utf16_bytes

LETTERS = "ABYZabyz0189"
codes = st.builds(str.__add__, st.sampled_from(LETTERS), st.text(f"{LETTERS}._-", max_size=63))
accounts = codes.map(AccountCode)
meters = codes.map(MeterCode)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", "/a/b", "a\\b", "a#b", "a?b", "a|b", "~a", "\x00", "\x7f", "\x85", "🎈" * 300]
)
days = st.dates(date(2026, 1, 1), date(2029, 12, 31))
moments = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001 - the bounds of the strategy are naive
    datetime(2029, 12, 31),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
hours = moments.map(lambda at: at.replace(minute=0, second=0, microsecond=0))
cells = moments.map(
    lambda at: at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)
)
marks = st.builds(Mark, hours, accounts, hours)
partial_keys = st.builds(PartialKey, accounts, cells, meters, texts)
day_keys = st.builds(DayKey, accounts, days, meters, texts)
ledger_keys = st.builds(LedgerKey, texts.map(Resource), texts.map(DimensionId), st.none() | texts)
entries = st.builds(AgendaEntry, hours, accounts)


def holds(wanted: RowRange, row: str) -> bool:
    return wanted.first <= row < wanted.before


def check_legal(row: str) -> None:
    assert keys.illegal_characters([row]) == set()
    assert utf16_bytes(row) <= KEY_BYTES
    assert row.isascii()


@given(partial_keys, texts, day_keys, ledger_keys, hours)
def test_keys_are_legal_whatever_the_names(
    partial: PartialKey, text: str, day: DayKey, ledger: LedgerKey, hour: datetime
) -> None:
    for row in (
        keys.partial_row(partial, text),
        keys.event_row(partial.account, EventKey(text)),
        keys.mark_row(Mark(hour, partial.account, hour)),
        keys.hint_row(hour, day.day),
        keys.day_row(day),
        keys.overflow_row(keys.day_row(day), "0000", "00ff", 7),
        keys.ledger_row(ledger),
        keys.submission_row(ledger, hour),
        keys.open_row(ledger, hour),
        keys.agenda_row(AgendaEntry(hour, day.account)),
        keys.account_part_row(keys.PLAN, text),
        keys.account_part_row(keys.SUBSCRIPTION, text),
        keys.record_row(text, hour),
        keys.parked_row(AccountCode("a"), (day.day, EventKey(text))),
        keys.refused_row(text),
    ):
        check_legal(row)


@given(marks)
def test_a_mark_is_read_back(mark: Mark) -> None:
    assert keys.mark_in(keys.mark_row(mark)) == mark


@given(entries)
def test_an_agenda_entry_is_read_back(entry: AgendaEntry) -> None:
    assert keys.agenda_in(keys.agenda_row(entry)) == entry


@given(hours, days)
def test_a_hint_is_read_back(hour: datetime, day: date) -> None:
    assert keys.hinted_in(keys.hint_row(hour, day)) == day


@given(partial_keys, texts)
def test_a_partial_s_key_is_read_back(key: PartialKey, writer: str) -> None:
    row = keys.partial_row(key, writer)
    assert keys.partial_in(row, key.cell.date(), key.segment) == key


@given(day_keys)
def test_a_day_s_key_is_read_back(key: DayKey) -> None:
    row = keys.day_row(key)
    assert keys.day_in(row, key.segment) == key
    assert not keys.is_overflow(row)
    assert keys.is_overflow(keys.overflow_row(row, "2345", "00ff", 0))


@given(days)
def test_a_table_s_day_is_read_back(day: date) -> None:
    assert keys.day_of_table(keys.usage_table(day)) == day
    assert keys.usage_table(day).startswith(keys.USAGE_PREFIX)


@pytest.mark.parametrize(
    "name", ["UsageDays", "Usage202611221", "Usage2026112", "Ledger", "usage20261122"]
)
def test_other_tables_have_no_day(name: str) -> None:
    assert keys.day_of_table(name) is None


@given(cells)
def test_a_cell_is_read_back(cell: datetime) -> None:
    assert keys.cell_in(cell.date(), keys.cell_code(cell)) == cell


@given(ledger_keys, ledger_keys, hours, hours)
def test_different_ledger_keys_make_different_rows(
    one: LedgerKey, other: LedgerKey, hour: datetime, later: datetime
) -> None:
    assert (keys.ledger_row(one) == keys.ledger_row(other)) == (one == other)
    same = one == other and hour == later
    assert (keys.submission_row(one, hour) == keys.submission_row(other, later)) == same


@given(partial_keys, partial_keys, texts, texts)
def test_different_partials_make_different_rows(
    one: PartialKey, other: PartialKey, writer: str, another: str
) -> None:
    assume(one.cell.date() == other.cell.date() or one == other)
    same = one == other and writer == another
    assert (keys.partial_row(one, writer) == keys.partial_row(other, another)) == same


@given(marks, hours)
def test_marks_since_an_hour_are_in_its_range(mark: Mark, since: datetime) -> None:
    assert holds(keys.marks_since(since), keys.mark_row(mark)) == (mark.arrival_hour >= since)


@given(hours, days, hours)
def test_hints_since_an_hour_are_in_its_range(hour: datetime, day: date, since: datetime) -> None:
    assert holds(keys.hints_since(since), keys.hint_row(hour, day)) == (hour >= since)


@given(entries, moments)
def test_entries_due_are_in_range(entry: AgendaEntry, until: datetime) -> None:
    assert holds(keys.agenda_until(until), keys.agenda_row(entry)) == (entry.due <= until)


@given(entries, entries)
def test_the_agenda_is_ordered_by_time(one: AgendaEntry, other: AgendaEntry) -> None:
    if one.due < other.due:
        assert keys.agenda_row(one) < keys.agenda_row(other)


@given(day_keys, accounts, days, st.integers(0, 60), texts)
def test_days_between_are_in_range(
    key: DayKey, account: AccountCode, first: date, length: int, segment: str
) -> None:
    last = first + timedelta(days=length)
    wanted = keys.days_between(account, first, last)
    for candidate in (key, DayKey(account, key.day, key.meter, segment)):
        inside = candidate.account == account and first <= candidate.day <= last
        row = keys.day_row(candidate)
        assert holds(wanted, row) == inside
        assert holds(wanted, keys.overflow_row(row, "2345", "ff00", 999)) == inside


@given(partial_keys, accounts, cells, st.integers(0, 95), texts)
def test_partials_between_are_in_range(
    key: PartialKey, account: AccountCode, first: datetime, steps: int, writer: str
) -> None:
    last = first + timedelta(minutes=15 * steps)
    assume(first.date() == last.date())
    wanted = keys.partials_between(account, first, last)
    for owner in (key.account, account):
        cell = key.cell.replace(year=first.year, month=first.month, day=1).replace(day=first.day)
        row = keys.partial_row(PartialKey(owner, cell, key.meter, key.segment), writer)
        assert holds(wanted, row) == (owner == account and first <= cell <= last)


@given(ledger_keys, texts.map(Resource), hours)
def test_a_resource_s_rows_are_in_its_ranges(
    key: LedgerKey, resource: Resource, hour: datetime
) -> None:
    mine = key.resource == resource
    assert holds(keys.ledger_of(resource), keys.ledger_row(key)) == mine
    assert holds(keys.submissions_of(resource), keys.submission_row(key, hour)) == mine
    assert holds(keys.open_of(resource), keys.open_row(key, hour)) == mine
    assert holds(keys.all_open(), keys.open_row(key, hour))
    assert not holds(keys.all_open(), keys.submission_row(key, hour))


def test_a_range_of_cells_lies_in_one_day() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    for last in (noon + timedelta(days=1), noon - timedelta(hours=1)):
        with pytest.raises(ValueError, match="one day"):
            keys.partials_between(AccountCode("ada"), noon, last)


@pytest.mark.parametrize("account", ["", "a|b", "a/b", "a\n", "~a", "ä", "a" * 65])
def test_what_is_no_code_does_not_get_into_keys(account: str) -> None:
    with pytest.raises(ValueError, match="no code"):
        keys.event_row(AccountCode(account), EventKey("00ff"))
    with pytest.raises(ValueError, match="no code"):
        keys.account_partition(AccountCode(account))


def test_shards_have_partitions_of_their_own_in_order() -> None:
    partitions = [keys.partition(shard) for shard in all_shards()]
    assert partitions == sorted(set(partitions))
    for wrong in (-1, SHARDS):
        with pytest.raises(ValueError, match="no shard"):
            keys.partition(Shard(wrong))


@given(st.integers(1, 10**10 - 1), st.integers(1, 10**10 - 1))
def test_versions_of_the_catalogue_are_ordered(one: int, other: int) -> None:
    assert (keys.catalog_row(one) < keys.catalog_row(other)) == (one < other)
    assert int(keys.catalog_row(one)) == one


@pytest.mark.parametrize("number", [0, -1, 10**10])
def test_numbers_out_of_order_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="version number"):
        keys.catalog_row(number)


def test_illegal_characters_are_found() -> None:
    assert keys.illegal_characters(["a/b\\", "#?\t\x7f\x85", "ok|~é"]) == set("/\\#?\t\x7f\x85")
