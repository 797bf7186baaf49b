"""Whatever senders, receivers and time do: every message is in exactly one place."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.queue import open_queue
from local.servicebus.entity.stored import (
    Abandon,
    Complete,
    DeadLetter,
    Defer,
    Release,
    Settlement,
)
from local.servicebus.faults import Fault, LockLost, SessionLockLost
from tests.local.servicebus.support import FrozenClock, RecordingConsumer, message, text

LOCK = 10
SETTLEMENTS: st.SearchStrategy[Settlement] = st.sampled_from(
    [Complete(), Abandon(), Release(), Defer(), DeadLetter("reason", None)]
)


class QueueMachine(RuleBasedStateMachine):
    """Drives one queue; sessions are on in the subclass."""

    sessions = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        config = QueueConfig(
            "q",
            lock_duration=timedelta(seconds=LOCK),
            max_delivery_count=3,
            requires_session=self.sessions,
            time_to_live=timedelta(seconds=100),
            dead_lettering_on_expiration=True,
        )
        self.queue = open_queue(config, self.clock)
        self.consumers: list[RecordingConsumer] = []
        self.sent = 0
        self.completed: list[str] = []

    @rule(session=st.sampled_from("ab"), delay=st.sampled_from([None, 5, 50]))
    def send(self, session: str, delay: int | None) -> None:
        at = None if delay is None else self.clock.now + delay
        self.queue.enqueue([message(f"m{self.sent}", session_id=session, scheduled_at=at)])
        self.sent += 1

    @rule(credit=st.integers(1, 3), session=st.sampled_from(["a", "b", None]))
    def attach(self, credit: int, session: str | None) -> None:
        consumer = RecordingConsumer(credit=credit)
        try:
            if self.sessions:
                self.queue.accept_session(consumer, session)
            else:
                self.queue.attach(consumer)
        except Fault:
            return
        self.consumers.append(consumer)
        self.queue.advance()

    @rule(data=st.data(), settlement=SETTLEMENTS)
    def settle(self, data: st.DataObject, settlement: Settlement) -> None:
        deliveries = [
            (stored, locked.token)
            for consumer in self.consumers
            for stored, locked in consumer.received
            if locked is not None
        ]
        if not deliveries:
            return
        stored, token = data.draw(st.sampled_from(deliveries))
        try:
            self.queue.settle(token, settlement, stored.session_id)
        except (LockLost, SessionLockLost):
            return
        if isinstance(settlement, Complete):
            self.completed.append(text(stored))

    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        if self.consumers:
            consumer = data.draw(st.sampled_from(self.consumers))
            consumer.credit = 0
            self.queue.detach(consumer)

    @rule(seconds=st.sampled_from([1, LOCK, 60]))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.queue.advance()

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert self.queue.dead_letters is not None
        held = self.queue.peek(0, 10_000, None) + self.queue.dead_letters.peek(0, 10_000, None)
        names = sorted([*map(text, held), *self.completed])
        assert names == sorted(f"m{number}" for number in range(self.sent))

    @invariant()
    def a_message_is_locked_once(self) -> None:
        present = {id(stored): stored for stored in self.queue.peek(0, 10_000, None)}
        current = [
            lock.token
            for consumer in self.consumers
            for stored, lock in consumer.received
            if lock is not None and id(stored) in present and stored.state == lock
        ]
        assert len(current) == len(set(current)) == self.queue.counters().locked


class SessionQueueMachine(QueueMachine):
    """The same with sessions."""

    sessions = True


QueueMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
SessionQueueMachine.TestCase.settings = QueueMachine.TestCase.settings
TestQueue = QueueMachine.TestCase
TestSessionQueue = SessionQueueMachine.TestCase
