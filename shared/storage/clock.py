"""The time of the storage service, learned from the ``Date`` of its answers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path


def _machine_now() -> datetime:
    return datetime.now(UTC)


class StorageClock:
    """The machine's clock, corrected by the storage service's, so all instances agree.

    In a local run time is also moved by the number of seconds in ``offset_file``; a missing
    file means zero. Before the first answer it is the machine's own time.
    """

    def __init__(
        self, offset_file: Path | None = None, machine: Callable[[], datetime] = _machine_now
    ) -> None:
        self._offset_file = offset_file
        self._machine = machine
        self._skew = timedelta()

    @property
    def skew(self) -> timedelta:
        """How far the storage service is ahead of the machine, to about a second."""
        return self._skew

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return self._machine() + self._skew + self._offset()

    def machine_now(self) -> datetime:
        """The machine's own time, which storage compares a signed request's date with."""
        return self._machine()

    def observe(self, date_header: str) -> datetime:
        """Take in the ``Date`` of an answer that has just come; returns the time it tells."""
        told = parsedate_to_datetime(date_header).astimezone(UTC)
        # The header has no fraction: on average half a second has passed since.
        self._skew = told + timedelta(milliseconds=500) - self._machine()
        return told + self._offset()

    def _offset(self) -> timedelta:
        if self._offset_file is None:
            return timedelta()
        try:
            text = self._offset_file.read_text(encoding="ascii")
        except FileNotFoundError:
            return timedelta()
        return timedelta(seconds=float(text))
