"""Sessions of a queue: exclusive, in order, with a state, and given back as Service Bus does."""

from datetime import timedelta

import pytest

from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.queue import Queue, open_queue
from local.servicebus.entity.stored import Abandon, Complete, Counters, Defer
from local.servicebus.faults import (
    MessageNotFound,
    NotAllowed,
    SessionCannotBeLocked,
    SessionLockLost,
)
from tests.local.servicebus.support import FrozenClock, RecordingConsumer, message, text

LOCK = 30.0


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def queue(clock: FrozenClock) -> Queue:
    config = QueueConfig("q", lock_duration=timedelta(seconds=LOCK), requires_session=True)
    return open_queue(config, clock)


def send(queue: Queue, *bodies: str) -> None:
    """Messages whose session is the first letter of their body."""
    queue.enqueue([message(body, session_id=body[0]) for body in bodies])


def accept(queue: Queue, session_id: str | None, name: str = "consumer") -> RecordingConsumer:
    consumer = RecordingConsumer(name)
    queue.accept_session(consumer, session_id)
    queue.advance()
    return consumer


def test_a_consumer_gets_its_session_only_and_in_order(queue: Queue) -> None:
    send(queue, "a1", "b1", "a2", "b2")
    consumer = accept(queue, "b")
    send(queue, "a3", "b3")
    assert consumer.bodies == ["b1", "b2", "b3"]


def test_messages_and_receivers_must_name_a_session(queue: Queue) -> None:
    with pytest.raises(NotAllowed):
        queue.enqueue([message("a", session_id="a"), message()])
    assert queue.size == 0
    with pytest.raises(NotAllowed):
        queue.attach(RecordingConsumer())


def test_a_session_is_one_consumers_until_it_leaves(queue: Queue) -> None:
    holder = accept(queue, "a")
    with pytest.raises(SessionCannotBeLocked):
        queue.accept_session(RecordingConsumer(), "a")
    queue.detach(holder)
    assert accept(queue, "a").sessions == [("a", 1_000_000.0 + LOCK)]


def test_the_next_available_session_is_the_one_with_the_oldest_message(queue: Queue) -> None:
    send(queue, "b1", "a1", "c1")
    taken = [accept(queue, None).sessions[0][0] for _ in range(3)]
    assert taken == ["b", "a", "c"]


def test_who_waits_for_a_session_is_served_in_turn_when_one_comes(queue: Queue) -> None:
    first, second = accept(queue, None), accept(queue, None)
    assert first.sessions == []
    send(queue, "x1", "x2")
    assert (first.bodies, second.bodies) == (["x1", "x2"], [])
    queue.detach(first)
    assert second.bodies == ["x1", "x2"]


def test_who_gave_up_waiting_gets_nothing(queue: Queue) -> None:
    gone, patient = accept(queue, None), accept(queue, None)
    queue.detach(gone)
    send(queue, "x1")
    assert (gone.sessions, patient.bodies) == ([], ["x1"])


def test_leaving_gives_the_messages_back_uncounted(queue: Queue) -> None:
    send(queue, "a1", "a2")
    consumer = accept(queue, "a")
    queue.detach(consumer)
    again = accept(queue, "a")
    assert again.bodies == ["a1", "a2"]
    assert [stored.delivery_count for stored, _ in again.received] == [0, 0]
    with pytest.raises(SessionLockLost):
        queue.settle(consumer.token(), Complete(), "a")


def test_an_expired_session_lock_counts_the_delivery_and_tells_the_holder(
    queue: Queue, clock: FrozenClock
) -> None:
    send(queue, "a1")
    consumer = accept(queue, "a")
    clock.advance(LOCK)
    queue.advance()
    assert consumer.lost == 1
    with pytest.raises(SessionLockLost):
        queue.renew_session("a")
    with pytest.raises(SessionLockLost):
        queue.settle(consumer.token(), Complete(), "a")
    again = accept(queue, "a")
    assert [(text(stored), stored.delivery_count) for stored, _ in again.received] == [("a1", 1)]


def test_messages_are_locked_as_long_as_the_session(queue: Queue, clock: FrozenClock) -> None:
    send(queue, "a1")
    consumer = accept(queue, "a")
    for _ in range(3):
        clock.advance(LOCK - 1)
        assert queue.renew_session("a") == clock.now + LOCK
    with pytest.raises(NotAllowed):
        queue.renew(consumer.token())
    assert queue.locked_until(consumer.received[0][0]) == clock.now + LOCK
    queue.settle(consumer.token(), Complete(), "a")
    assert queue.size == 0
    clock.advance(LOCK)
    queue.advance()
    assert consumer.lost == 1


def test_an_abandoned_message_is_the_next_of_its_session(queue: Queue) -> None:
    send(queue, "a1", "a2")
    consumer = RecordingConsumer(credit=1)
    queue.accept_session(consumer, "a")
    queue.settle(consumer.token(), Abandon(), "a")
    consumer.credit = 2
    queue.advance()
    assert consumer.bodies == ["a1", "a1", "a2"]


def test_deferred_messages_belong_to_whoever_holds_their_session(queue: Queue) -> None:
    send(queue, "a1")
    consumer = accept(queue, "a")
    queue.settle(consumer.token(), Defer(), "a")
    sequence = consumer.received[0][0].sequence
    for wrong in ("b", None):
        with pytest.raises(MessageNotFound):
            queue.receive_deferred([sequence], wrong, lock=True)
    ((stored, locked),) = queue.receive_deferred([sequence], "a", lock=True)
    assert locked is not None
    assert locked.until is None
    queue.detach(consumer)
    with pytest.raises(SessionLockLost):
        queue.receive_deferred([sequence], "a", lock=True)
    assert queue.counters() == Counters(active=0, locked=0, deferred=1, scheduled=0, dead=0)
    assert stored.delivery_count == 1


def test_a_state_outlives_its_holder_and_its_messages(queue: Queue, clock: FrozenClock) -> None:
    with pytest.raises(SessionLockLost):
        queue.set_session_state("a", b"cursor")
    holder = accept(queue, "a")
    queue.set_session_state("a", b"cursor")
    queue.detach(holder)
    assert queue.session_table().state("a") == b"cursor"
    assert queue.session_ids(None) == ["a"]
    assert queue.session_ids(clock.now - 1) == ["a"]
    assert queue.session_ids(clock.now) == []
    accept(queue, "a")
    queue.set_session_state("a", None)
    assert queue.session_ids(None) == []


def test_sessions_with_active_messages_are_listed(queue: Queue) -> None:
    send(queue, "b1", "a1", "b2")
    assert queue.session_ids(None) == ["a", "b"]
    accept(queue, "a")
    assert queue.session_ids(None) == ["b"]


def test_dead_letters_of_sessions_need_no_session(queue: Queue) -> None:
    assert queue.dead_letters is not None
    send(queue, "a1")
    consumer = accept(queue, "a")
    for _ in range(10):
        queue.settle(consumer.token(), Abandon(), "a")
    plain = RecordingConsumer()
    queue.dead_letters.attach(plain)
    queue.dead_letters.advance()
    assert plain.bodies == ["a1"]
