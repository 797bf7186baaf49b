"""Every request the simulator was sent, with what it answered."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from local.marketplace.faults import FaultKind, Target


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its fate; ``answered`` is False when the caller never got ``status``."""

    number: int
    at: datetime
    target: Target
    method: str
    path: str
    query: str
    request_id: str
    correlation_id: str
    request: str
    status: int
    response: str
    fault: FaultKind | None
    answered: bool
    applied: bool


class RequestLog:
    """The newest requests, numbered from 1 without gaps; counters never forget."""

    def __init__(self, limit: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._last = 0
        self.counts: dict[Target, int] = dict.fromkeys(Target, 0)

    def next_number(self) -> int:
        """The number of the request that arrives now."""
        self._last += 1
        return self._last

    def add(self, entry: Entry) -> None:
        """Keep a finished request."""
        self._entries.append(entry)
        self.counts[entry.target] += 1

    def newest(self, limit: int) -> list[Entry]:
        """The latest requests, newest first."""
        return list(self._entries)[: -limit - 1 : -1]

    def since(self, number: int, target: Target | None = None) -> list[Entry]:
        """Requests after ``number``, in the order they were finished."""
        return [
            entry
            for entry in self._entries
            if entry.number > number and target in (None, entry.target)
        ]
