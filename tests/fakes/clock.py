"""A clock that stands still until a test moves it."""

from datetime import datetime, timedelta


class FakeClock:
    """Shows ``at``."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a clock's time is aware")
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, step: timedelta) -> datetime:
        """Move on by ``step``; returns the new time."""
        self.at += step
        return self.at
