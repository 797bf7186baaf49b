"""What every record of runs keeps to."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.ports import Runs
from shared.storage.runs import TableRuns
from tests.contract.samples import NOON, OTHER_SHARD, SHARD
from tests.fakes.clock import FakeClock
from tests.fakes.runs import FakeRuns


@pytest.fixture(params=["fake", "azurite"])
def runs(request: pytest.FixtureRequest) -> Runs:
    if request.param == "fake":
        return FakeRuns(FakeClock(datetime.now(UTC)))
    return TableRuns(request.getfixturevalue("tables"))


def test_no_run_is_known_at_first(runs: Runs) -> None:
    assert runs.begin(SHARD).last_completed is None


def test_the_last_run_is_the_one_completed_last(runs: Runs) -> None:
    first, second = NOON + timedelta(microseconds=123_456), NOON - timedelta(hours=2)
    runs.complete(SHARD, first)
    assert runs.begin(SHARD).last_completed == first
    runs.complete(SHARD, second)
    assert runs.begin(SHARD).last_completed == second
    assert runs.begin(OTHER_SHARD).last_completed is None


@pytest.mark.parametrize("completed", [False, True])
def test_a_run_begins_at_the_time_of_storage(runs: Runs, *, completed: bool) -> None:
    if completed:
        runs.complete(SHARD, NOON)
    before = datetime.now(UTC)
    now = runs.begin(SHARD).now
    assert now.utcoffset() == timedelta()
    assert abs(now - before) < timedelta(minutes=1)
