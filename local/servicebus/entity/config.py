"""What is declared about one queue."""

from dataclasses import dataclass
from datetime import timedelta

MAX_LOCK_DURATION = timedelta(minutes=5)
MAX_DELIVERY_COUNT = 2000
MIN_DUPLICATE_WINDOW = timedelta(seconds=20)
MAX_DUPLICATE_WINDOW = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """A queue's rules, with Service Bus's defaults.

    ``time_to_live`` None: messages live until they are settled. ``duplicate_window`` None: no
    duplicate detection. Limits: Microsoft.ServiceBus/namespaces/queues and "Service Bus quotas";
    tests may declare lock durations and windows below what Azure takes, so only what would break
    the rules is refused here, with ``ValueError``.
    """

    name: str
    lock_duration: timedelta = timedelta(minutes=1)
    max_delivery_count: int = 10
    requires_session: bool = False
    duplicate_window: timedelta | None = None
    time_to_live: timedelta | None = None
    dead_lettering_on_expiration: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a queue needs a name")
        for field in ("lock_duration", "duplicate_window", "time_to_live"):
            value = getattr(self, field)
            if value is not None and value <= timedelta():
                raise ValueError(f"{field} must be longer than zero")
        if self.max_delivery_count < 1:
            raise ValueError("max_delivery_count must be at least 1")
