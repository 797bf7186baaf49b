"""Sessions of a queue: who holds which, until when, and the state kept for each."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from local.servicebus.entity.deadlines import Deadlines
from local.servicebus.entity.stored import Consumer
from local.servicebus.faults import SessionCannotBeLocked, SessionLockLost


@dataclass(slots=True)
class SessionLock:
    """One session in the hands of one consumer; ``until`` in unix seconds, moved by renewal."""

    session_id: str
    holder: Consumer
    until: float
    tokens: set[uuid.UUID] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class SessionState:
    """What a receiver left for the next one; ``updated_at`` in unix seconds."""

    data: bytes
    updated_at: float


class SessionTable:
    """Locks are exclusive, waiting consumers are served in the order they came."""

    def __init__(self, lock_seconds: float) -> None:
        self._lock_seconds = lock_seconds
        self._locks: dict[str, SessionLock] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self._waiting: list[Consumer] = []
        self._states: dict[str, SessionState] = {}

    def locks(self) -> list[SessionLock]:
        """Every session lock in force."""
        return list(self._locks.values())

    def held(self, session_id: str) -> SessionLock:
        """The lock on a session; raises ``SessionLockLost`` when nobody holds it."""
        lock = self._locks.get(session_id)
        if lock is None:
            raise SessionLockLost(f"The lock on session '{session_id}' has expired.")
        return lock

    def accept(self, consumer: Consumer, session_id: str, now: float) -> None:
        """Lock a named session; raises ``SessionCannotBeLocked`` when it is taken."""
        if session_id in self._locks:
            raise SessionCannotBeLocked(f"Session '{session_id}' is locked by another receiver.")
        lock = SessionLock(session_id, consumer, now + self._lock_seconds)
        self._locks[session_id] = lock
        self._deadlines.put(session_id, lock.until)
        consumer.session_granted(session_id, lock.until)

    def wait(self, consumer: Consumer) -> None:
        """Queue for the next session that becomes available."""
        self._waiting.append(consumer)

    def serve_waiting(self, available: Callable[[], Iterable[str]], now: float) -> None:
        """Give sessions of ``available`` that nobody holds to those who wait."""
        if not self._waiting:
            return
        free = [session_id for session_id in available() if session_id not in self._locks]
        for session_id in free[: len(self._waiting)]:
            self.accept(self._waiting.pop(0), session_id, now)

    def renew(self, session_id: str, now: float) -> float:
        """Prolong a lock; returns its new end. Raises ``SessionLockLost``."""
        lock = self.held(session_id)
        lock.until = now + self._lock_seconds
        self._deadlines.put(session_id, lock.until)
        return lock.until

    def release(self, consumer: Consumer) -> list[SessionLock]:
        """Forget a consumer that goes; returns the locks it held."""
        if consumer in self._waiting:
            self._waiting.remove(consumer)
        released = [lock for lock in self._locks.values() if lock.holder is consumer]
        for lock in released:
            del self._locks[lock.session_id]
            self._deadlines.drop(lock.session_id)
        return released

    def unlocked(self, session_id: str, token: uuid.UUID) -> None:
        """A message of the session is no longer locked."""
        lock = self._locks.get(session_id)
        if lock is not None:
            lock.tokens.discard(token)

    def take_expired(self, now: float) -> list[SessionLock]:
        """Locks that ended by ``now``, removed."""
        return [self._locks.pop(session_id) for session_id in self._deadlines.take_due(now)]

    def state(self, session_id: str) -> bytes | None:
        """The state kept for a session, or None."""
        kept = self._states.get(session_id)
        return kept.data if kept is not None else None

    def set_state(self, session_id: str, data: bytes | None, now: float) -> None:
        """Keep a state; None or nothing clears it."""
        if data:
            self._states[session_id] = SessionState(data, now)
        else:
            self._states.pop(session_id, None)

    def with_state(self, updated_after: float | None) -> set[str]:
        """Sessions that have a state, or one changed after a time in unix seconds."""
        return {
            session_id
            for session_id, state in self._states.items()
            if updated_after is None or state.updated_at > updated_after
        }
