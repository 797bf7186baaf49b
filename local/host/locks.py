"""Renews a lock while a function works under it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from azure.servicebus.exceptions import ServiceBusError

from local.host.logs import HOST_LOGGER

_log = logging.getLogger(HOST_LOGGER)

type Renew = Callable[[], Awaitable[datetime]]


class LockRenewal:
    """Renews at half of the lock's remaining life, until ``limit`` seconds have passed.

    A renewal that fails ends the renewing; the broker then gives the message to someone else.
    """

    def __init__(self, renew: Renew, locked_until: datetime | None, limit: float) -> None:
        self._renew = renew
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._locked_until = locked_until
        self._end = self._loop.time() + limit
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._schedule()

    def restart(self) -> None:
        """The limit counts from now; for a session lock that outlives one message."""
        self._end = self._loop.time() + self._limit
        if self._timer is None and self._task is None:
            self._schedule()

    async def stop(self) -> None:
        """Renew no more; a renewal on its way is let through, since it shares a connection."""
        self._locked_until = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task

    def _schedule(self) -> None:
        self._timer = None
        if self._locked_until is None:
            return
        remaining = (self._locked_until - datetime.now(UTC)).total_seconds()
        when = self._loop.time() + max(remaining / 2, 0.1)
        if when < self._end:
            self._timer = self._loop.call_at(when, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = self._loop.create_task(self._renew_once())

    async def _renew_once(self) -> None:
        try:
            locked_until = await self._renew()
        except (ServiceBusError, ValueError) as error:
            self._locked_until = None
            _log.warning("lock not renewed: %s", error)
        else:
            if self._locked_until is not None:
                self._locked_until = locked_until
        self._task = None
        self._schedule()
