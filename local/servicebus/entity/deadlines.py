"""When what is due: a heap that forgets entries which were moved or dropped."""

import heapq
from collections.abc import Hashable, Iterator

_SLACK = 64


class Deadlines[K: Hashable]:
    """At most one deadline, in unix seconds, a key."""

    def __init__(self) -> None:
        self._current: dict[K, int] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0

    def __len__(self) -> int:
        """Entries kept, the stale ones included."""
        return len(self._heap)

    def put(self, key: K, at: float) -> None:
        """Set or move the deadline of ``key``."""
        self._order += 1
        self._current[key] = self._order
        heapq.heappush(self._heap, (at, self._order, key))
        if len(self._heap) > 2 * len(self._current) + _SLACK:
            self._compact()

    def drop(self, key: K) -> None:
        """Forget ``key``; unknown keys are fine."""
        self._current.pop(key, None)

    def take_due(self, now: float) -> Iterator[K]:
        """Keys whose deadline is ``now`` or earlier, the earliest first, each dropped."""
        while self._heap and self._heap[0][0] <= now:
            _, order, key = heapq.heappop(self._heap)
            if self._current.get(key) == order:
                del self._current[key]
                yield key

    def _compact(self) -> None:
        """Settled messages leave entries behind that fall due weeks later; shed them."""
        self._heap = [entry for entry in self._heap if self._current.get(entry[2]) == entry[1]]
        heapq.heapify(self._heap)
