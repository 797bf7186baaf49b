"""What every usage log keeps to."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.errors import TooLarge
from shared.domain.ids import AccountCode
from shared.domain.usage.event import DataValue
from shared.domain.usage.partial import Partial
from shared.ports import Appended, EventExists, Mark, PartialKey, PartialMoved, UsageLog
from shared.storage.usage_log import TableUsageLog
from tests.contract.samples import (
    ADA,
    BOB,
    DAY,
    LONG,
    METER,
    NOON,
    OTHER_SHARD,
    SHARD,
    at,
    batch,
    distinct_partial,
    event,
    event_row,
    identity,
    mark,
    partial_of,
    write,
)
from tests.fakes.usage_log import FakeUsageLog

ALL_DAY = (at(0), at(23))


@pytest.fixture(params=["fake", "azurite"])
def log(request: pytest.FixtureRequest) -> UsageLog:
    if request.param == "fake":
        return FakeUsageLog()
    return TableUsageLog(request.getfixturevalue("tables"))


def stored(log: UsageLog, account: AccountCode = ADA) -> dict[PartialKey, list[Partial]]:
    return log.partials(DAY, SHARD, account, *ALL_DAY)


def appended(answer: object) -> Appended:
    assert isinstance(answer, Appended)
    return answer


def test_nothing_is_there_before_the_first_batch(log: UsageLog) -> None:
    assert log.days() == set()
    assert log.payload_hashes(DAY, SHARD, [identity(event_row("1"))]) == [None]
    assert log.marks(DAY, SHARD, at(0)) == set()
    assert stored(log) == {}
    assert log.hinted_days(SHARD, at(0)) == set()


def test_a_batch_is_stored_whole(log: UsageLog) -> None:
    one, two = event_row("1"), event_row("2")
    partial = partial_of(one.event, two.event)
    answer = appended(log.append(batch((one, two), (write(partial),), (mark(),))))
    assert len(answer.etags) == 1
    absent = event_row("3")
    hashes = log.payload_hashes(DAY, SHARD, [identity(row) for row in (two, absent, one)])
    assert hashes == [two.payload_hash, None, one.payload_hash]
    assert stored(log) == {PartialKey(ADA, NOON, METER): [partial]}
    assert log.marks(DAY, SHARD, at(0)) == {mark()}
    assert log.days() == {DAY}


def test_shards_and_accounts_do_not_see_each_other(log: UsageLog) -> None:
    row = event_row("1")
    log.append(batch((row,), (write(partial_of(row.event)),), (mark(),)))
    assert log.payload_hashes(DAY, OTHER_SHARD, [identity(row)]) == [None]
    assert log.payload_hashes(DAY, SHARD, [(BOB, row.key)]) == [None]
    assert log.marks(DAY, OTHER_SHARD, at(0)) == set()
    assert log.partials(DAY, OTHER_SHARD, ADA, *ALL_DAY) == {}
    assert stored(log, BOB) == {}
    assert stored(log, AccountCode("ad")) == {}


def test_an_event_that_is_there_refuses_the_whole_batch(log: UsageLog) -> None:
    first, second, third = event_row("1"), event_row("2"), event_row("3")
    log.append(batch((second,), (), (mark(),)))
    partial = partial_of(first.event)
    answer = log.append(batch((first, second, third), (write(partial),), (mark(arrival=14),)))
    assert answer == EventExists(1)
    assert log.payload_hashes(DAY, SHARD, [identity(first), identity(third)]) == [None, None]
    assert stored(log) == {}
    assert log.marks(DAY, SHARD, at(0)) == {mark()}


def test_an_event_is_never_replaced(log: UsageLog) -> None:
    row = event_row("1")
    log.append(batch((row,)))
    other = event("1", data={"calls": Decimal(2)})
    assert log.append(batch((type(row)(ADA, other.key, "another hash", other),))) == EventExists(0)
    assert log.payload_hashes(DAY, SHARD, [identity(row)]) == [row.payload_hash]


def test_a_partial_is_replaced_at_its_version_only(log: UsageLog) -> None:
    one, two = event("1"), event("2")
    (etag,) = appended(log.append(batch(partials=(write(partial_of(one)),)))).etags
    (newer,) = appended(log.append(batch(partials=(write(partial_of(one, two), etag),)))).etags
    assert newer != etag
    for wrong in (etag, None):
        row = event_row("3")
        writes = (write(partial_of(one), cell=at(3)), write(partial_of(one), wrong))
        assert log.append(batch((row,), writes)) == PartialMoved(1)
        assert log.payload_hashes(DAY, SHARD, [identity(row)]) == [None]
    assert stored(log) == {PartialKey(ADA, NOON, METER): [partial_of(one, two)]}


def test_a_version_of_a_partial_that_is_not_there_is_no_match(log: UsageLog) -> None:
    (etag,) = appended(log.append(batch(partials=(write(partial_of(event("1"))),)))).etags
    elsewhere = write(partial_of(event("1")), etag, cell=at(3))
    assert log.append(batch(partials=(elsewhere,))) == PartialMoved(0)


def test_an_event_that_exists_is_told_before_a_partial_that_moved(log: UsageLog) -> None:
    row = event_row("1")
    log.append(batch((row,), (write(partial_of(row.event)),)))
    assert log.append(batch((row,), (write(partial_of(row.event)),))) == EventExists(0)


def test_writers_have_partials_of_their_own(log: UsageLog) -> None:
    one, two = partial_of(event("1")), partial_of(event("2"), event("3"))
    log.append(batch(partials=(write(one),), writer="a"))
    log.append(batch(partials=(write(two),), writer="b"))
    found = stored(log)[PartialKey(ADA, NOON, METER)]
    assert sorted(found, key=lambda partial: partial.events) == [one, two]


def test_versions_come_in_the_order_of_the_batch(log: UsageLog) -> None:
    one = partial_of(event("1"))
    cells = [at(hour) for hour in (9, 3, 17)]
    answer = log.append(batch(partials=tuple(write(one, cell=cell) for cell in cells)))
    etags = dict(zip(cells, appended(answer).etags, strict=True))
    for cell in cells:
        replaced = log.append(batch(partials=(write(one, etags[cell], cell=cell),)))
        assert isinstance(replaced, Appended)


def test_a_stored_partial_is_a_copy(log: UsageLog) -> None:
    partial = partial_of(event("1"))
    log.append(batch(partials=(write(partial),)))
    partial.add(event("2"))
    (found,) = stored(log)[PartialKey(ADA, NOON, METER)]
    assert found.events == 1
    found.add(event("3"))
    assert stored(log) == {PartialKey(ADA, NOON, METER): [partial_of(event("1"))]}


def test_partials_are_found_by_cell(log: UsageLog) -> None:
    one = partial_of(event("1"))
    cells = [at(0), at(9, 45), at(10), at(10, 15), at(23, 45)]
    log.append(batch(partials=tuple(write(one, cell=cell) for cell in cells)))
    log.append(batch(partials=(write(one, account=AccountCode("ada-2"), cell=at(10)),)))

    def found(first: datetime, last: datetime) -> set[datetime]:
        return {key.cell for key in log.partials(DAY, SHARD, ADA, first, last)}

    assert found(at(0), at(23, 45)) == set(cells)
    assert found(at(9, 45), at(10)) == {at(9, 45), at(10)}
    assert found(at(10), at(10)) == {at(10)}
    assert found(at(11), at(23)) == set()


def test_segments_are_kept_apart_whatever_their_text(log: UsageLog) -> None:
    texts = ["", "eu", "a|b", "größe/#?\\", "🎈" * 200, "~eu", "\t"]
    partials = [partial_of(event(str(n))) for n in range(len(texts))]
    writes = [write(p, segment=text) for text, p in zip(texts, partials, strict=True)]
    log.append(batch(partials=tuple(writes)))
    expected = {
        PartialKey(ADA, NOON, METER, text): [partial]
        for text, partial in zip(texts, partials, strict=True)
    }
    assert stored(log) == expected


def test_statistics_come_back_exact(log: UsageLog) -> None:
    data: dict[str, DataValue] = {
        "gigabytes": LONG,
        "name": 'größe 🎈 "quoted"',
        "tiny": Decimal("0.000000001"),
    }
    partial = partial_of(event("1", data=data), event("ключ", data=data), unique=frozenset(data))
    partial.generation = 3
    log.append(batch(partials=(write(partial),)))
    assert stored(log) == {PartialKey(ADA, NOON, METER): [partial]}


def test_a_partial_with_many_distinct_values_comes_back(log: UsageLog) -> None:
    partial = distinct_partial(10_000)
    log.append(batch(partials=(write(partial),)))
    assert stored(log) == {PartialKey(ADA, NOON, METER): [partial]}


def test_a_hundred_entities_fit_and_one_more_does_not(log: UsageLog) -> None:
    rows = tuple(event_row(str(n)) for n in range(100))
    with pytest.raises(TooLarge):
        log.append(batch(rows, (), (mark(),)))
    assert log.payload_hashes(DAY, SHARD, [identity(rows[0])]) == [None]
    assert isinstance(log.append(batch(rows)), Appended)


def test_four_mebibytes_are_the_limit(log: UsageLog) -> None:
    partial = distinct_partial(10_000)
    writes = tuple(write(partial, cell=at(n // 4, n % 4 * 15)) for n in range(48))
    with pytest.raises(TooLarge):
        log.append(batch(partials=writes, marks=(mark(),)))
    assert log.marks(DAY, SHARD, at(0)) == set()


def test_an_empty_batch_is_a_mistake(log: UsageLog) -> None:
    with pytest.raises(ValueError, match="at least one"):
        log.append(batch())


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(batch((event_row("1"), event_row("1"))), id="event twice"),
        pytest.param(batch((), (write(Partial()), write(Partial()))), id="partial twice"),
        pytest.param(batch((), (), (mark(), mark())), id="mark twice"),
        pytest.param(batch((event_row("1", moment=NOON + timedelta(1)),)), id="event's day"),
        pytest.param(batch((), (write(Partial(), cell=NOON + timedelta(1)),)), id="partial's day"),
        pytest.param(batch((), (), (Mark(NOON, ADA, NOON - timedelta(1)),)), id="mark's day"),
        pytest.param(batch((), (), (Mark(at(1, 30), ADA, NOON),)), id="half an hour"),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(log: UsageLog, wrong: object) -> None:
    with pytest.raises(ValueError, match=r"once|another day|whole hour"):
        log.append(wrong)  # type: ignore[arg-type]  # parametrized values lose their type
    assert log.days() == set()


def test_marks_are_found_by_arrival_hour(log: UsageLog) -> None:
    early, late = mark(arrival=9), mark(BOB, arrival=13, event_hour=1)
    next_day = Mark(NOON + timedelta(days=1), ADA, at(23))
    log.append(batch(marks=(early, late, next_day)))
    log.append(batch(marks=(early,)))
    assert log.marks(DAY, SHARD, at(0)) == {early, late, next_day}
    assert log.marks(DAY, SHARD, at(10)) == {late, next_day}
    assert log.marks(DAY, SHARD, at(13)) == {late, next_day}
    assert log.marks(DAY, SHARD, NOON + timedelta(days=2)) == set()


def test_more_marks_than_a_page_holds_are_all_found(log: UsageLog) -> None:
    marks = [Mark(at(13), AccountCode(f"a{n}"), at(12)) for n in range(1_050)]
    for first in range(0, len(marks), 100):
        log.append(batch(marks=tuple(marks[first : first + 100])))
    assert log.marks(DAY, SHARD, at(13)) == set(marks)


def test_hints_are_found_by_arrival_hour(log: UsageLog) -> None:
    old, older = date(2026, 10, 30), date(2026, 10, 29)
    log.put_hint(SHARD, at(9), old)
    log.put_hint(SHARD, at(9), old)
    log.put_hint(SHARD, at(13), older)
    assert log.hinted_days(SHARD, at(9)) == {old, older}
    assert log.hinted_days(SHARD, at(10)) == {older}
    assert log.hinted_days(SHARD, at(14)) == set()
    assert log.hinted_days(OTHER_SHARD, at(0)) == set()


def test_days_are_those_with_a_table(log: UsageLog) -> None:
    log.put_hint(SHARD, at(9), DAY)
    assert log.days() == set()
    for day in (date(2026, 1, 31), date(2027, 2, 1)):
        moment = datetime(day.year, day.month, day.day, 5, tzinfo=UTC)
        made = batch((event_row("1", moment=moment),))
        log.append(type(made)(day, SHARD, "w", made.events, (), ()))
    assert log.days() == {date(2026, 1, 31), date(2027, 2, 1)}


def test_a_day_s_table_is_made_ahead(log: UsageLog) -> None:
    log.make_day(DAY)
    log.make_day(DAY)
    assert log.days() == {DAY}
    assert log.marks(DAY, SHARD, at(0)) == set()
    assert isinstance(log.append(batch((event_row("1"),))), Appended)


def test_a_day_s_table_is_dropped_with_all_it_holds(log: UsageLog) -> None:
    row = event_row("1")
    (etag,) = appended(log.append(batch((row,), (write(Partial()),), (mark(),)))).etags
    log.drop_day(DAY)
    log.drop_day(DAY)
    assert log.days() == set()
    assert log.payload_hashes(DAY, SHARD, [identity(row)]) == [None]
    assert log.append(batch((row,), (write(Partial(), etag),))) == PartialMoved(0)
    assert isinstance(log.append(batch((row,))), Appended)


def test_an_account_s_events_come_back_as_they_were_reported(log: UsageLog) -> None:
    assert list(log.events(DAY, SHARD, ADA)) == []
    rows = [event_row(str(n), moment=at(n)) for n in range(3)]
    longer = event_row("4", AccountCode("ada2"))
    log.append(batch((*rows, event_row("5", BOB), longer)))
    found = sorted(log.events(DAY, SHARD, ADA), key=lambda e: e.id)
    assert found == [row.event for row in rows]
    assert [e.id for e in log.events(DAY, SHARD, BOB)] == ["5"]
    assert list(log.events(DAY, OTHER_SHARD, ADA)) == []
