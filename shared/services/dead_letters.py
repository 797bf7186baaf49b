"""Looks after messages that could not be handled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.errors import NotFound
from shared.ports import DeadLetter, DeadLetters
from shared.services.ingest_usage import QUEUE as USAGE
from shared.services.receive_notice import QUEUE as LIFECYCLE
from shared.services.runs import QUEUE as METERING

QUEUES = (USAGE, METERING, LIFECYCLE)
SHOWN = 50
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class TendDeadLetters:
    """Replaying is safe: what a message does, it does once."""

    dead_letters: DeadLetters

    def all(self) -> Mapping[str, Sequence[DeadLetter]]:
        """The oldest dead letters of every queue."""
        return {queue: self.dead_letters.peek(queue, SHOWN) for queue in QUEUES}

    def replay(self, queue: str) -> int:
        """Send a queue's dead letters again; how many. Raises ``NotFound``."""
        if queue not in QUEUES:
            raise NotFound(f"there is no queue {queue}; there are {', '.join(QUEUES)}")
        return self.dead_letters.replay(queue, AT_ONCE)
