"""Duplicate detection: which message ids were accepted in the last while."""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import timedelta


class DuplicateWindow:
    """Remembers message ids for ``window``; None switches detection off."""

    def __init__(self, window: timedelta | None) -> None:
        self._window = window.total_seconds() if window is not None else None
        self._seen: OrderedDict[Hashable, float] = OrderedDict()

    def is_duplicate(self, message_id: Hashable, now: float) -> bool:
        """Whether ``message_id`` was accepted inside the window; remembers it when it was not.

        A duplicate does not prolong the window. Messages without an id are never duplicates.
        """
        if self._window is None or message_id is None:
            return False
        while self._seen and next(iter(self._seen.values())) <= now - self._window:
            self._seen.popitem(last=False)
        if message_id in self._seen:
            return True
        self._seen[message_id] = now
        return False
