"""The timer loop under a clock that the test moves."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local.host import protos
from local.host.cron import parse_schedule
from local.host.timers import TimerLoop, TimerPorts

START = datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)


@dataclass
class FakeTime:
    """A clock that waits move on, until ``end``; ``lag`` is how early a wait returns."""

    end: datetime
    now: datetime = START
    lag: timedelta = timedelta()
    waits: list[float] = field(default_factory=list)

    async def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += max(timedelta(seconds=seconds) - self.lag, timedelta(milliseconds=1))
        return self.now >= self.end

    def ports(self, longest_wait: float = 60.0) -> TimerPorts:
        return TimerPorts(lambda: self.now, self.wait, longest_wait)


def _run(
    schedule: str,
    time: FakeTime,
    *,
    on_startup: bool = False,
    work: Callable[[], Awaitable[None]] | None = None,
    longest_wait: float = 60.0,
) -> list[tuple[datetime, dict[str, object]]]:
    runs: list[tuple[datetime, dict[str, object]]] = []

    async def run(value: protos.TypedData) -> None:
        runs.append((time.now, json.loads(getattr(value, value.WhichOneof("data")))))
        if work is not None:
            await work()

    loop = TimerLoop(parse_schedule(schedule), run, time.ports(longest_wait))
    asyncio.run(loop.run(on_startup=on_startup))
    return runs


def test_runs_at_every_match() -> None:
    runs = _run("0 */5 * * * *", FakeTime(end=START + timedelta(minutes=11)))
    assert [moment for moment, _ in runs] == [
        datetime(2026, 11, 22, 10, 5, tzinfo=UTC),
        datetime(2026, 11, 22, 10, 10, tzinfo=UTC),
    ]


def test_run_on_startup_comes_first() -> None:
    runs = _run("0 0 * * * *", FakeTime(end=START + timedelta(hours=1)), on_startup=True)
    assert [moment for moment, _ in runs] == [START, datetime(2026, 11, 22, 11, tzinfo=UTC)]


def test_what_the_function_is_told() -> None:
    runs = _run("0 0 * * * *", FakeTime(end=START + timedelta(hours=2)))
    first, second = (info for _, info in runs)
    assert first["IsPastDue"] is False
    assert first["ScheduleStatus"] == {
        "Last": "0001-01-01T00:00:00+00:00",
        "Next": "2026-11-22T12:00:00+00:00",
        "LastUpdated": "0001-01-01T00:00:00+00:00",
    }
    assert second["ScheduleStatus"] == {
        "Last": "2026-11-22T11:00:00+00:00",
        "Next": "2026-11-22T13:00:00+00:00",
        "LastUpdated": "2026-11-22T11:00:00+00:00",
    }


def test_a_wait_that_ends_early_does_not_run_early() -> None:
    time = FakeTime(end=START + timedelta(minutes=2), lag=timedelta(milliseconds=5))
    runs = _run("0 * * * * *", time)
    assert [moment for moment, _ in runs] == [
        datetime(2026, 11, 22, 10, 1, tzinfo=UTC),
        datetime(2026, 11, 22, 10, 2, tzinfo=UTC),
    ]


def test_matches_during_a_run_are_skipped() -> None:
    time = FakeTime(end=START + timedelta(minutes=5))

    async def long_work() -> None:
        time.now += timedelta(seconds=130)

    runs = _run("0 * * * * *", time, work=long_work)
    assert [moment.minute for moment, _ in runs] == [1, 4]


def test_a_clock_that_jumps_is_noticed_within_the_longest_wait() -> None:
    time = FakeTime(end=START + timedelta(hours=3))

    class Jumping(FakeTime):
        async def wait(self, seconds: float) -> bool:
            if len(self.waits) == 1:
                self.now += timedelta(hours=1)
            return await super().wait(seconds)

    time = Jumping(end=START + timedelta(hours=2))
    runs = _run("0 0 * * * *", time, longest_wait=0.25)
    assert runs[0][0] < START + timedelta(hours=1, seconds=1)
    assert max(time.waits) == 0.25


def test_the_stop_ends_the_loop_before_the_next_run() -> None:
    assert _run("0 0 * * * *", FakeTime(end=START + timedelta(minutes=1))) == []
