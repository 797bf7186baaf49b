"""What the tests of the broker share: a movable clock, encoded messages, a recording consumer."""

import time
import uuid
from dataclasses import dataclass, field

from local.servicebus.codec import Described, Symbol, Timestamp, UInt, ULong, Value, encode
from local.servicebus.entity.stored import Locked, StoredMessage
from local.servicebus.message import Message, Section, parse_message


class OffsetClock:
    """The machine's clock plus an offset that only grows; unix seconds.

    It starts at real time because the SDK compares lock ends with the machine's clock.
    """

    def __init__(self) -> None:
        self._offset = 0.0

    def __call__(self) -> float:
        """Now."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Jump forward."""
        self._offset += seconds


class FrozenClock:
    """Stands still until it is moved; unix seconds."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Now."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Jump forward."""
        self.now += seconds


def message(
    body: str = "body",
    *,
    message_id: str | None = None,
    session_id: str | None = None,
    time_to_live: float | None = None,
    scheduled_at: float | None = None,
) -> Message:
    """A message as a sender would have encoded it; times in seconds."""
    properties: list[Value] = [message_id, *[None] * 9, session_id]
    sections: list[tuple[Section, Value]] = []
    if time_to_live is not None:
        header: list[Value] = [None, None, UInt(round(time_to_live * 1000))]
        sections.append((Section.HEADER, header))
    if scheduled_at is not None:
        at = Timestamp(round(scheduled_at * 1000))
        sections.append((Section.MESSAGE_ANNOTATIONS, {_SCHEDULED: at}))
    sections += [(Section.PROPERTIES, properties), (Section.DATA, body.encode())]
    encoded = (encode(Described(ULong(section), value)) for section, value in sections)
    return parse_message(b"".join(encoded))


_SCHEDULED = Symbol("x-opt-scheduled-enqueue-time")


@dataclass(eq=False)
class RecordingConsumer:
    """Takes ``credit`` messages and keeps them."""

    name: str = "consumer"
    credit: int = 1_000
    receive_and_delete: bool = False
    received: list[tuple[StoredMessage, Locked | None]] = field(default_factory=list)
    sessions: list[tuple[str, float]] = field(default_factory=list)
    lost: int = 0

    @property
    def ready(self) -> bool:
        """One more message may be delivered now."""
        return self.credit > 0

    def deliver(self, message: StoredMessage, locked: Locked | None) -> None:
        """Keep a message."""
        self.credit -= 1
        self.received.append((message, locked))

    def session_granted(self, session_id: str, until: float) -> None:
        """Keep what was granted."""
        self.sessions.append((session_id, until))

    def session_lost(self) -> None:
        """Count."""
        self.lost += 1

    @property
    def bodies(self) -> list[str]:
        """Bodies received so far, in order."""
        return [text(stored) for stored, _ in self.received]

    def token(self, index: int = -1) -> uuid.UUID:
        """The lock token of a message received."""
        locked = self.received[index][1]
        assert locked is not None
        return locked.token


def text(stored: StoredMessage) -> str:
    """The body of a message made by ``message``."""
    return stored.content.body[5:].decode()
