"""One movable clock for every process of the local stack: an offset kept in a small file."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path


class FileClock:
    """The machine's clock plus an offset that all processes of one local stack share.

    The file holds one decimal number, the offset in seconds; a missing file means zero. The
    pipeline reads the same file (setting ``LOCAL_CLOCK_FILE``) and refuses to do so outside a
    local run, so time can never be moved in production.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def offset(self) -> timedelta:
        """How far this stack's time is ahead of the machine's."""
        try:
            text = self._path.read_text(encoding="ascii")
        except FileNotFoundError:
            return timedelta()
        return timedelta(seconds=float(text))

    def now(self) -> datetime:
        """The stack's time, aware, in UTC."""
        return datetime.now(UTC) + self.offset()

    def advance(self, step: timedelta) -> datetime:
        """Move time forward by ``step`` and return the new time; time never goes back."""
        if step < timedelta():
            raise ValueError("the local clock only moves forward")
        seconds = (self.offset() + step).total_seconds()
        temporary = self._path.with_suffix(".new")
        temporary.write_text(f"{seconds!r}", encoding="ascii")
        os.replace(temporary, self._path)  # noqa: PTH105 - atomic for concurrent readers
        return self.now()
