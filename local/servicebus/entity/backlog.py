"""Active messages in the order of their sequence numbers, one lane a session."""

import heapq
from collections.abc import Iterator

from local.servicebus.entity.stored import StoredMessage


class Backlog:
    """Queues without sessions use the one lane ``None``."""

    def __init__(self) -> None:
        self._messages: dict[int, StoredMessage] = {}
        self._lanes: dict[str | None, list[int]] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: StoredMessage) -> None:
        """A message given back takes its old place: order is by sequence number."""
        self._messages[message.sequence] = message
        heapq.heappush(self._lanes.setdefault(message.session_id, []), message.sequence)

    def remove(self, sequence: int) -> None:
        """Take one out wherever it stands; its entry in the lane is dropped when it surfaces."""
        del self._messages[sequence]

    def first(self, lane: str | None) -> StoredMessage | None:
        """The oldest message of a lane, left in place."""
        heap = self._lanes.get(lane)
        while heap:
            message = self._messages.get(heap[0])
            if message is not None:
                return message
            heapq.heappop(heap)
        self._lanes.pop(lane, None)
        return None

    def pop(self, lane: str | None) -> StoredMessage | None:
        """Take the oldest message of a lane."""
        message = self.first(lane)
        if message is not None:
            heapq.heappop(self._lanes[lane])
            del self._messages[message.sequence]
        return message

    def sessions(self) -> Iterator[str]:
        """Sessions with active messages, the one whose first message is oldest first."""
        heads = [
            (message.sequence, lane)
            for lane in list(self._lanes)
            if lane is not None and (message := self.first(lane)) is not None
        ]
        return (lane for _, lane in sorted(heads))
