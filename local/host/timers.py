"""Runs timer functions when their schedule says so."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.host import protos
from local.host.cron import Schedule, ScheduleError
from local.host.logs import HOST_LOGGER

_log = logging.getLogger(HOST_LOGGER)

type Clock = Callable[[], datetime]
# Waits so many seconds and says whether the host stops instead.
type Wait = Callable[[float], Awaitable[bool]]
type Run = Callable[[protos.TypedData], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TimerPorts:
    """Time for a timer: ``longest_wait`` bounds the seconds between two looks at the clock."""

    clock: Clock
    wait: Wait
    longest_wait: float


class TimerLoop:
    """One timer function: never beside itself; what falls into a run is skipped, as in Azure."""

    def __init__(self, schedule: Schedule, run: Run, ports: TimerPorts) -> None:
        self._schedule = schedule
        self._run = run
        self._ports = ports

    async def run(self, *, on_startup: bool) -> None:
        """Run until the wait says to stop; with ``on_startup`` once at the beginning."""
        last: datetime | None = None
        if on_startup:
            last = self._ports.clock()
            await self._run(timer_info(self._schedule, last, None))
        while True:
            try:
                due = self._schedule.next_after(self._ports.clock())
            except ScheduleError as error:
                _log.warning("timer ends: %s", error)
                return
            if await self._wait_until(due):
                return
            await self._run(timer_info(self._schedule, due, last))
            last = due

    async def _wait_until(self, due: datetime) -> bool:
        """Whether the host stops before ``due``."""
        while True:
            left = (due - self._ports.clock()) / timedelta(seconds=1)
            if left <= 0:
                return False
            if await self._ports.wait(min(left, self._ports.longest_wait)):
                return True


def timer_info(schedule: Schedule, now: datetime, last: datetime | None) -> protos.TypedData:
    """What Azure passes to a timer function; it is never past due here."""
    moment = last.isoformat() if last is not None else "0001-01-01T00:00:00+00:00"
    try:
        following = schedule.next_after(now).isoformat()
    except ScheduleError:
        following = "9999-12-31T23:59:59+00:00"
    return protos.TypedData(
        json=json.dumps(
            {
                "Schedule": {"AdjustForDST": True},
                "ScheduleStatus": {"Last": moment, "Next": following, "LastUpdated": moment},
                "IsPastDue": False,
            }
        )
    )
