"""The messages of one queue and every change of their states."""

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import assert_never

from local.servicebus.entity.backlog import Backlog
from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.deadlines import Deadlines
from local.servicebus.entity.duplicates import DuplicateWindow
from local.servicebus.entity.sessions import SessionTable
from local.servicebus.entity.stored import Active, Deferred, Locked, Scheduled, StoredMessage
from local.servicebus.faults import MessageNotFound
from local.servicebus.message import Message


class MessageStore:
    """Times are unix seconds, given by the caller.

    ``bury`` takes the messages that are dead-lettered; without it, as in a dead-letter queue
    itself, no number of deliveries makes the store give up on a message.
    """

    def __init__(
        self,
        config: QueueConfig,
        sequence: Iterator[int],
        sessions: SessionTable | None,
        bury: Callable[[StoredMessage], None] | None,
    ) -> None:
        self.backlog = Backlog()
        self._config = config
        self._sequence = sequence
        self._sessions = sessions
        self._bury = bury
        self._lock_seconds = config.lock_duration.total_seconds()
        self._messages: dict[int, StoredMessage] = {}
        self._locked: dict[uuid.UUID, StoredMessage] = {}
        self._deadlines: Deadlines[int] = Deadlines()
        self._duplicates = DuplicateWindow(config.duplicate_window)

    def __iter__(self) -> Iterator[StoredMessage]:
        return iter(self._messages.values())

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, content: Message, now: float) -> int:
        """Accept a message; returns its sequence number. A duplicate gets one and is dropped."""
        sequence = next(self._sequence)
        if self._duplicates.is_duplicate(content.message_id, now):
            return sequence
        session_id = content.session_id if self._sessions is not None else None
        message = StoredMessage(sequence, content, session_id, Active(), now, None)
        self._messages[sequence] = message
        at = content.scheduled_at
        if at is not None and at > now:
            message.state = Scheduled(at)
            message.enqueued_at = at
            self._deadlines.put(sequence, at)
        else:
            self._start_life(message, now)
        return sequence

    def adopt(self, message: StoredMessage) -> None:
        """Take over a dead letter, which never expires."""
        message.session_id = None
        message.expires_at = None
        self._messages[message.sequence] = message
        self._make_active(message)

    def find(self, sequence: int, state: type[Scheduled | Deferred]) -> StoredMessage:
        """The message with a number, in the named state; raises ``MessageNotFound``."""
        message = self._messages.get(sequence)
        if message is None or not isinstance(message.state, state):
            raise MessageNotFound(
                f"No {state.__name__.lower()} message has the sequence number {sequence}."
            )
        return message

    def locked(self, token: uuid.UUID) -> StoredMessage | None:
        """The message locked under a token, or None."""
        return self._locked.get(token)

    def browse(self, start: int, count: int, session_id: str | None) -> list[StoredMessage]:
        """Up to ``count`` messages in any state, in order, from a sequence number on."""
        sequences = (sequence for sequence in sorted(self._messages) if sequence >= start)
        messages = (self._messages[sequence] for sequence in sequences)
        wanted = (x for x in messages if session_id is None or x.session_id == session_id)
        return list(itertools.islice(wanted, count))

    def lock(self, message: StoredMessage, now: float) -> Locked:
        """Lock a message that was taken from the backlog, or a deferred one."""
        token = uuid.uuid4()
        deferred = isinstance(message.state, Deferred)
        if self._sessions is not None and message.session_id is not None:
            locked = Locked(token, None, deferred)
            self._sessions.held(message.session_id).tokens.add(token)
            self._deadlines.drop(message.sequence)
        else:
            until = now + self._lock_seconds
            locked = Locked(token, until, deferred)
            self._deadlines.put(message.sequence, until)
        message.state = locked
        self._locked[token] = message
        return locked

    def renew(self, message: StoredMessage, locked: Locked, now: float) -> float:
        """Prolong the lock of a message that no session locks; returns its new end."""
        until = now + self._lock_seconds
        message.state = Locked(locked.token, until, locked.deferred)
        self._deadlines.put(message.sequence, until)
        return until

    def give_back(self, message: StoredMessage, now: float, *, counted: bool) -> None:
        """Unlock a message and put it where it came from, unless its deliveries or life ended."""
        deferred = self._unlock(message)
        message.delivery_count += counted
        if deferred:
            message.state = Deferred()
        elif self._bury and message.delivery_count >= self._config.max_delivery_count:
            self.dead_letter(
                message,
                "MaxDeliveryCountExceeded",
                f"The message was not settled in {message.delivery_count} deliveries.",
            )
        elif message.expires_at is not None and message.expires_at <= now:
            self.end_life(message)
        else:
            self._make_active(message)

    def give_back_all(self, tokens: Iterable[uuid.UUID], now: float, *, counted: bool) -> None:
        """Give back every message locked under one of ``tokens``."""
        for message in [self._locked[token] for token in tokens]:
            self.give_back(message, now, counted=counted)

    def defer(self, message: StoredMessage) -> None:
        """Set a locked message aside; the delivery counts."""
        self._unlock(message)
        message.delivery_count += 1
        message.state = Deferred()

    def dead_letter(
        self, message: StoredMessage, reason: str | None, description: str | None
    ) -> None:
        """Move a message, locked or not, to the dead-letter queue."""
        if self._bury is None:
            raise TypeError("a dead-letter queue has no dead-letter queue")
        self.remove(message)
        notes = {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
        message.content = message.content.with_properties(
            {name: text for name, text in notes.items() if text is not None}
        )
        message.dead_letter_source = self._config.name
        self._bury(message)

    def remove(self, message: StoredMessage) -> None:
        """The message is gone."""
        self._unlock(message)
        del self._messages[message.sequence]

    def end_life(self, message: StoredMessage) -> None:
        """The time to live is over: dead-letter the message or drop it, as declared."""
        if self._config.dead_lettering_on_expiration:
            self.dead_letter(message, "TTLExpiredException", "The message's time to live ended.")
        else:
            self.remove(message)

    def expire(self, now: float) -> None:
        """Let what is due by ``now`` happen to messages."""
        for sequence in self._deadlines.take_due(now):
            message = self._messages[sequence]
            match message.state:
                case Active():
                    self.backlog.remove(sequence)
                    self.end_life(message)
                case Scheduled():
                    self._activate(message, now)
                case Locked():
                    self.give_back(message, now, counted=True)
                case Deferred():
                    pass  # A deferred message expires only when somebody asks for it.
                case _:
                    assert_never(message.state)

    def _activate(self, message: StoredMessage, now: float) -> None:
        """A scheduled message is appended as if it were sent now, under a new number."""
        del self._messages[message.sequence]
        message.sequence = next(self._sequence)
        self._messages[message.sequence] = message
        self._start_life(message, now)

    def _start_life(self, message: StoredMessage, now: float) -> None:
        default = self._config.time_to_live
        lives = (message.content.time_to_live, default.total_seconds() if default else None)
        given = [seconds for seconds in lives if seconds is not None]
        message.enqueued_at = now
        message.expires_at = now + min(given) if given else None
        self._make_active(message)

    def _make_active(self, message: StoredMessage) -> None:
        message.state = Active()
        self.backlog.add(message)
        if message.expires_at is not None:
            self._deadlines.put(message.sequence, message.expires_at)

    def _unlock(self, message: StoredMessage) -> bool:
        """Forget a lock and a deadline; returns whether the message had been deferred before."""
        self._deadlines.drop(message.sequence)
        if not isinstance(message.state, Locked):
            return False
        self._locked.pop(message.state.token, None)
        if self._sessions is not None and message.session_id is not None:
            self._sessions.unlocked(message.session_id, message.state.token)
        return message.state.deferred
