"""Growing pauses between attempts."""


class Backoff:
    """Doubles from ``first`` to ``limit`` seconds."""

    def __init__(self, first: float = 0.2, limit: float = 5.0) -> None:
        self._first = first
        self._limit = limit
        self._delay = first

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        delay = self._delay
        self._delay = min(delay * 2, self._limit)
        return delay

    def reset(self) -> None:
        """An attempt succeeded."""
        self._delay = self._first
