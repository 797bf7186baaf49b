"""A message inside a queue and the state it is in."""

import uuid
from dataclasses import dataclass
from typing import Protocol

from local.servicebus.message import Message

STATE_ACTIVE = 0
STATE_DEFERRED = 1
STATE_SCHEDULED = 2


@dataclass(frozen=True, slots=True)
class Active:
    """Waits for a receiver."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Becomes active at a time, in unix seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class Deferred:
    """Is handed out only to who names its sequence number."""


@dataclass(frozen=True, slots=True)
class Locked:
    """Is with a receiver until a time, in unix seconds; the session's lock rules when it is None.

    ``deferred``: where the message goes when it is given back.
    """

    token: uuid.UUID
    until: float | None
    deferred: bool


type State = Active | Scheduled | Deferred | Locked


@dataclass(slots=True)
class StoredMessage:
    """Mutable, because a message changes its state many times and its queue alone may do that.

    Times are unix seconds. ``session_id`` is None in queues without sessions, whatever the sender
    wrote into the message.
    """

    sequence: int
    content: Message
    session_id: str | None
    state: State
    enqueued_at: float
    expires_at: float | None
    delivery_count: int = 0
    dead_letter_source: str | None = None


class Consumer(Protocol):
    """A receiver, as a queue sees it."""

    @property
    def name(self) -> str:
        """What its owner calls it; management requests refer to it by this name."""

    @property
    def receive_and_delete(self) -> bool:
        """Messages are gone with their delivery."""

    @property
    def ready(self) -> bool:
        """One more message may be delivered now."""

    def deliver(self, message: StoredMessage, locked: Locked | None) -> None:
        """Take ``message``; ``locked`` is None in receive-and-delete mode."""

    def session_granted(self, session_id: str, until: float) -> None:
        """The session that was asked for is now this consumer's."""

    def session_lost(self) -> None:
        """The session's lock expired."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Done: the message is removed."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """Given back after a failure: the delivery counts."""


@dataclass(frozen=True, slots=True)
class Release:
    """Given back unprocessed: the delivery does not count."""


@dataclass(frozen=True, slots=True)
class Defer:
    """Set aside for whoever asks for its sequence number."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Moved to the dead-letter queue."""

    reason: str | None
    description: str | None


type Settlement = Complete | Abandon | Release | Defer | DeadLetter


@dataclass(frozen=True, slots=True)
class Counters:
    """How many messages are in which state; ``dead`` are those of the dead-letter queue."""

    active: int
    locked: int
    deferred: int
    scheduled: int
    dead: int
