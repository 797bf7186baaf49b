"""One queue: what senders, receivers and the passing of time may do to it.

Sources of the rules: Microsoft's pages "Message transfers, locks, and settlement", "Message
expiration", "Message deferral", "Message sequencing and timestamps", "Message sessions" and
"Overview of Service Bus dead-letter queues".
"""

import itertools
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.sessions import SessionTable
from local.servicebus.entity.store import MessageStore
from local.servicebus.entity.stored import (
    Abandon,
    Active,
    Complete,
    Consumer,
    Counters,
    DeadLetter,
    Defer,
    Deferred,
    Locked,
    Release,
    Scheduled,
    Settlement,
    StoredMessage,
)
from local.servicebus.faults import LockLost, MessageNotFound, NotAllowed, SessionLockLost
from local.servicebus.message import Message

type Clock = Callable[[], float]
"""Gives unix seconds."""

_LOCK_LOST = (
    "The lock supplied is invalid. Either the lock expired, or the message has already been"
    " removed from the queue."
)


class Queue:
    """A queue, or, without ``dead_letters``, a dead-letter queue.

    A dead-letter queue counts deliveries but never gives up on a message, expires none and knows
    no sessions. What fell due since the last call happens at the start of every call; ``advance``
    makes it happen without one. Not thread-safe.
    """

    def __init__(
        self,
        config: QueueConfig,
        clock: Clock,
        *,
        sequence: Iterator[int],
        dead_letters: "Queue | None",
    ) -> None:
        self.config = config
        self.dead_letters = dead_letters
        self.sessions = (
            SessionTable(config.lock_duration.total_seconds())
            if config.requires_session and dead_letters is not None
            else None
        )
        self._clock = clock
        bury = dead_letters.adopt if dead_letters is not None else None
        self._store = MessageStore(config, sequence, self.sessions, bury)
        self._consumers: deque[Consumer] = deque()

    def enqueue(self, contents: Sequence[Message]) -> list[int]:
        """Accept messages, all or none; returns their sequence numbers.

        Raises ``NotAllowed`` when the queue requires sessions and one has no session id.
        """
        if self.sessions and any(content.session_id is None for content in contents):
            raise NotAllowed(
                "The session id was not set on a message, but the queue requires sessions."
            )
        now = self._expire()
        numbers = [self._store.add(content, now) for content in contents]
        self._dispatch()
        return numbers

    def adopt(self, message: StoredMessage) -> None:
        """Take over a message from the queue whose dead letters are kept here."""
        self._store.adopt(message)
        self._dispatch()

    def cancel(self, sequences: Sequence[int]) -> None:
        """Drop scheduled messages, all or none; raises ``MessageNotFound``."""
        self._expire()
        for message in [self._store.find(sequence, Scheduled) for sequence in set(sequences)]:
            self._store.remove(message)

    def attach(self, consumer: Consumer) -> None:
        """Deliver to ``consumer`` whenever it is ready; raises ``NotAllowed``."""
        if self.sessions:
            raise NotAllowed("The queue requires sessions; this receiver names none.")
        self._consumers.append(consumer)

    def accept_session(self, consumer: Consumer, session_id: str | None) -> None:
        """Deliver one session to ``consumer``: the named one, or, for None, the next available.

        The grant comes at once or later, through ``Consumer.session_granted``. Raises
        ``NotAllowed`` or ``SessionCannotBeLocked``.
        """
        if not self.sessions:
            raise NotAllowed("The queue has no sessions; this receiver asks for one.")
        now = self._expire()
        if session_id is None:
            self.sessions.wait(consumer)
        else:
            self.sessions.accept(consumer, session_id, now)
        self._dispatch()

    def detach(self, consumer: Consumer) -> None:
        """Forget a consumer.

        A session's messages are given back at once and uncounted; other messages stay locked
        until their locks expire, and can be settled by their tokens until then.
        """
        if consumer in self._consumers:
            self._consumers.remove(consumer)
        if self.sessions:
            now = self._expire()
            for lock in self.sessions.release(consumer):
                self._store.give_back_all(lock.tokens, now, counted=False)
            self._dispatch()

    def settle(
        self, token: uuid.UUID, settlement: Settlement, session_id: str | None = None
    ) -> None:
        """Apply a receiver's decision.

        Raises ``LockLost`` (``SessionLockLost`` where the caller names a session), and
        ``NotAllowed`` for dead-lettering a dead letter.
        """
        now = self._expire()
        message = self._store.locked(token)
        if message is None:
            raise SessionLockLost(_LOCK_LOST) if session_id is not None else LockLost(_LOCK_LOST)
        match settlement:
            case Complete():
                self._store.remove(message)
            case Abandon():
                self._store.give_back(message, now, counted=True)
            case Release():
                self._store.give_back(message, now, counted=False)
            case Defer():
                self._store.defer(message)
            case DeadLetter(reason, description):
                if self.dead_letters is None:
                    raise NotAllowed("A dead letter cannot be dead-lettered again.")
                self._store.dead_letter(message, reason, description)
            case _:
                assert_never(settlement)
        self._dispatch()

    def renew(self, token: uuid.UUID) -> float:
        """Prolong a message's lock; returns its new end in unix seconds.

        Raises ``LockLost``, and ``NotAllowed`` for a message that its session locks.
        """
        now = self._expire()
        message = self._store.locked(token)
        if message is None or not isinstance(message.state, Locked):
            raise LockLost(_LOCK_LOST)
        if message.state.until is None:
            raise NotAllowed("Messages of a session are locked by the session: renew that.")
        return self._store.renew(message, message.state, now)

    def renew_session(self, session_id: str) -> float:
        """Prolong a session's lock; returns its new end in unix seconds; ``SessionLockLost``."""
        return self.session_table().renew(session_id, self._expire())

    def receive_deferred(
        self, sequences: Sequence[int], session_id: str | None, *, lock: bool
    ) -> list[tuple[StoredMessage, Locked | None]]:
        """Hand out deferred messages, all or none, locked or removed.

        One that has expired is dead-lettered now, as Service Bus does. Raises ``MessageNotFound``,
        and ``SessionLockLost`` when the session is not locked.
        """
        now = self._expire()
        found = [self._store.find(sequence, Deferred) for sequence in dict.fromkeys(sequences)]
        if self.sessions:
            if any(message.session_id != session_id for message in found):
                raise MessageNotFound("The session has no such deferred message.")
            self.sessions.held(session_id or "")
        expired = [x for x in found if x.expires_at is not None and x.expires_at <= now]
        if expired:
            for message in expired:
                self._store.end_life(message)
            raise MessageNotFound("A deferred message has expired.")
        if lock:
            return [(message, self._store.lock(message, now)) for message in found]
        for message in found:
            self._store.remove(message)
        return [(message, None) for message in found]

    def peek(self, start: int, count: int, session_id: str | None) -> list[StoredMessage]:
        """Up to ``count`` messages in any state, in order, from a sequence number on."""
        self._expire()
        return self._store.browse(start, count, session_id)

    def session_table(self) -> SessionTable:
        """The sessions; raises ``NotAllowed`` when the queue has none."""
        if not self.sessions:
            raise NotAllowed("The queue has no sessions.")
        return self.sessions

    def set_session_state(self, session_id: str, data: bytes | None) -> None:
        """Keep a state for a session that is locked; raises ``SessionLockLost``."""
        table, now = self.session_table(), self._expire()
        table.held(session_id)
        table.set_state(session_id, data, now)

    def session_ids(self, updated_after: float | None) -> list[str]:
        """Sessions with active messages or a state; given a time, with a state changed since."""
        table = self.session_table()
        self._expire()
        active = set(self._store.backlog.sessions()) if updated_after is None else set()
        return sorted(active | table.with_state(updated_after))

    def locked_until(self, message: StoredMessage) -> float | None:
        """When the lock on ``message`` ends, in unix seconds; None when it is not locked."""
        if not isinstance(message.state, Locked):
            return None
        if self.sessions and message.session_id is not None:
            return self.sessions.held(message.session_id).until
        return message.state.until

    def counters(self) -> Counters:
        """Messages by state, after what is due has happened."""
        self.advance()
        states = [type(message.state) for message in self._store]
        return Counters(
            active=states.count(Active),
            locked=states.count(Locked),
            deferred=states.count(Deferred),
            scheduled=states.count(Scheduled),
            dead=self.dead_letters.size if self.dead_letters is not None else 0,
        )

    @property
    def size(self) -> int:
        """Messages in any state."""
        return len(self._store)

    def advance(self) -> None:
        """Let what is due happen: locks and messages expire, scheduled ones become active."""
        self._expire()
        self._dispatch()

    def _dispatch(self) -> None:
        """Deliver while there are messages and consumers ready for them, each in turn."""
        now, backlog = self._clock(), self._store.backlog
        if self.sessions:
            self.sessions.serve_waiting(backlog.sessions, now)
            for lock in self.sessions.locks():
                while lock.holder.ready and (message := backlog.pop(lock.session_id)):
                    self._deliver(message, lock.holder, now)
            return
        idle = 0
        while idle < len(self._consumers) and len(backlog):
            consumer = self._consumers[0]
            self._consumers.rotate(-1)
            message = backlog.pop(None) if consumer.ready else None
            idle = idle + 1 if message is None else 0
            if message is not None:
                self._deliver(message, consumer, now)

    def _expire(self) -> float:
        now = self._clock()
        self._store.expire(now)
        if self.sessions:
            for lock in self.sessions.take_expired(now):
                self._store.give_back_all(lock.tokens, now, counted=True)
                lock.holder.session_lost()
        return now

    def _deliver(self, message: StoredMessage, consumer: Consumer, now: float) -> None:
        if consumer.receive_and_delete:
            self._store.remove(message)
            consumer.deliver(message, None)
        else:
            consumer.deliver(message, self._store.lock(message, now))


def open_queue(config: QueueConfig, clock: Clock) -> Queue:
    """An empty queue with its dead-letter queue; both number messages from one sequence."""
    sequence = itertools.count(1)
    dead_letters = Queue(config, clock, sequence=sequence, dead_letters=None)
    return Queue(config, clock, sequence=sequence, dead_letters=dead_letters)
