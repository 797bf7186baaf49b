"""The clock of the storage service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.clock import FileClock
from shared.config import Settings
from shared.storage.clock import StorageClock
from shared.storage.runs import TableRuns
from shared.storage.tables import open_tables
from tests.contract.samples import SHARD

MACHINE = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_it_is_the_machine_s_own_before_the_first_answer() -> None:
    assert StorageClock(machine=lambda: MACHINE).now() == MACHINE


def test_an_answer_s_date_sets_it() -> None:
    clock = StorageClock(machine=lambda: MACHINE)
    told = clock.observe("Sun, 22 Nov 2026 11:50:00 GMT")
    assert told == MACHINE - timedelta(minutes=10)
    assert clock.skew == timedelta(minutes=-10, milliseconds=500)
    assert clock.now() == MACHINE + clock.skew
    clock.observe("Sun, 22 Nov 2026 12:00:00 GMT")
    assert abs(clock.skew) < timedelta(seconds=1)


def test_a_local_run_moves_it(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = StorageClock(file, machine=lambda: MACHINE)
    assert clock.now() == MACHINE
    FileClock(file).advance(timedelta(hours=3, milliseconds=250))
    moved = timedelta(hours=3, milliseconds=250)
    assert clock.now() == MACHINE + moved
    assert clock.observe("Sun, 22 Nov 2026 12:00:00 GMT") == MACHINE + moved
    FileClock(file).advance(timedelta(days=1))
    assert clock.now() - MACHINE >= timedelta(days=1)


def test_a_run_begins_at_the_moved_time_of_storage(azurite: str, tmp_path: Path) -> None:
    file = tmp_path / "clock"
    FileClock(file).advance(timedelta(days=2))
    settings = Settings(tables_connection=azurite, local_clock_file=file)
    tables = open_tables(settings, prefix="ClockTest")
    begun = TableRuns(tables).begin(SHARD).now
    expected = datetime.now(UTC) + timedelta(days=2)
    assert abs(begun - expected) < timedelta(minutes=1)
    assert abs(tables.clock.now() - expected) < timedelta(minutes=1)
    tables.close()
