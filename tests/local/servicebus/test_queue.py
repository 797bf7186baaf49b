"""The rules of a queue, with a clock that stands still and consumers that only keep messages."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.deadlines import Deadlines
from local.servicebus.entity.queue import Queue, open_queue
from local.servicebus.entity.stored import (
    Abandon,
    Complete,
    Counters,
    DeadLetter,
    Defer,
    Release,
    Settlement,
)
from local.servicebus.faults import LockLost, MessageNotFound, NotAllowed
from tests.local.servicebus.support import FrozenClock, RecordingConsumer, message, text

LOCK = 30.0
EMPTY = Counters(active=0, locked=0, deferred=0, scheduled=0, dead=0)


@dataclass(frozen=True, slots=True)
class Bench:
    """A queue under test, its clock and a consumer that is attached on demand."""

    queue: Queue
    clock: FrozenClock

    def receive(
        self, credit: int = 1_000, *, receive_and_delete: bool = False
    ) -> RecordingConsumer:
        """A consumer that has taken what there is."""
        consumer = RecordingConsumer(credit=credit, receive_and_delete=receive_and_delete)
        self.queue.attach(consumer)
        self.queue.advance()
        return consumer


def bench(**changes: object) -> Bench:
    """A queue ``q`` with a lock of 30 s and three deliveries, changed as named."""
    clock = FrozenClock()
    values = {"lock_duration": timedelta(seconds=LOCK), "max_delivery_count": 3, **changes}
    return Bench(open_queue(QueueConfig("q", **values), clock), clock)  # type: ignore[arg-type] # see QueueConfig


def counters(**states: int) -> Counters:
    """Counters that are zero where nothing is said."""
    return Counters(
        **{"active": 0, "locked": 0, "deferred": 0, "scheduled": 0, "dead": 0, **states}
    )


def dead_letter_of(queue: Queue) -> RecordingConsumer:
    """What the dead-letter queue holds, removed."""
    assert queue.dead_letters is not None
    consumer = RecordingConsumer(receive_and_delete=True)
    queue.dead_letters.attach(consumer)
    queue.dead_letters.advance()
    queue.dead_letters.detach(consumer)
    return consumer


@pytest.mark.parametrize(
    ("settlement", "after", "deliveries"),
    [
        (Complete(), EMPTY, 0),
        (Abandon(), counters(active=1), 1),
        (Release(), counters(active=1), 0),
        (Defer(), counters(deferred=1), 1),
        (DeadLetter("why", "because"), counters(dead=1), 0),
    ],
    ids=["complete", "abandon", "release", "defer", "dead-letter"],
)
def test_each_settlement_puts_the_message_where_it_belongs(
    settlement: Settlement, after: Counters, deliveries: int
) -> None:
    it = bench()
    it.queue.enqueue([message()])
    consumer = it.receive(credit=1)
    assert it.queue.counters() == counters(locked=1)
    it.queue.settle(consumer.token(), settlement)
    assert it.queue.counters() == after
    assert consumer.received[0][0].delivery_count == deliveries
    with pytest.raises(LockLost):
        it.queue.settle(consumer.token(), settlement)


def test_receive_and_delete_leaves_nothing_behind() -> None:
    it = bench()
    it.queue.enqueue([message("a"), message("b")])
    consumer = it.receive(credit=1, receive_and_delete=True)
    assert consumer.received[0][1] is None
    assert it.queue.counters() == counters(active=1)


def test_a_lock_ends_exactly_after_its_duration_and_the_delivery_counts() -> None:
    it = bench()
    it.queue.enqueue([message()])
    consumer = it.receive(credit=1)
    it.clock.advance(LOCK - 0.001)
    assert it.queue.counters() == counters(locked=1)
    it.clock.advance(0.001)
    with pytest.raises(LockLost):
        it.queue.settle(consumer.token(), Complete())
    assert it.queue.counters() == counters(active=1)
    assert consumer.received[0][0].delivery_count == 1


def test_renewing_a_lock_starts_it_anew() -> None:
    it = bench()
    it.queue.enqueue([message()])
    consumer = it.receive(credit=1)
    it.clock.advance(LOCK - 1)
    assert it.queue.renew(consumer.token()) == it.clock.now + LOCK
    it.clock.advance(LOCK - 1)
    it.queue.settle(consumer.token(), Complete())
    assert it.queue.counters() == EMPTY


def test_a_lock_that_ended_cannot_be_renewed() -> None:
    it = bench()
    it.queue.enqueue([message()])
    consumer = it.receive(credit=1)
    it.clock.advance(LOCK)
    with pytest.raises(LockLost):
        it.queue.renew(consumer.token())


def test_after_the_last_delivery_a_message_is_dead_lettered_with_the_reason() -> None:
    it = bench()
    it.queue.enqueue([message("poison")])
    consumer = it.receive()
    for _ in range(3):
        it.queue.settle(consumer.token(), Abandon())
    assert consumer.bodies == ["poison"] * 3
    assert it.queue.counters() == counters(dead=1)
    dead = dead_letter_of(it.queue)
    assert b"MaxDeliveryCountExceeded" in dead.received[0][0].content.application_properties
    assert dead.received[0][0].dead_letter_source == "q"


def test_a_dead_letter_is_never_given_up_on_nor_dead_lettered_again() -> None:
    it = bench(time_to_live=timedelta(seconds=60), dead_lettering_on_expiration=True)
    it.queue.enqueue([message()])
    it.clock.advance(60)
    assert it.queue.counters() == counters(dead=1)
    dead = it.queue.dead_letters
    assert dead is not None
    consumer = RecordingConsumer()
    dead.attach(consumer)
    dead.advance()
    for _ in range(5):
        dead.settle(consumer.token(), Abandon())
    it.clock.advance(10_000)
    dead.advance()
    with pytest.raises(NotAllowed):
        dead.settle(consumer.token(), DeadLetter(None, None))
    assert it.queue.counters() == counters(dead=1)


def test_messages_come_in_order_and_keep_their_place_when_given_back() -> None:
    it = bench()
    it.queue.enqueue([message(name) for name in "abc"])
    consumer = it.receive(credit=2)
    it.queue.settle(consumer.token(1), Abandon())
    it.queue.settle(consumer.token(0), Abandon())
    consumer.credit = 3
    it.queue.advance()
    assert consumer.bodies == ["a", "b", "a", "b", "c"]


def test_consumers_take_turns() -> None:
    it = bench()
    consumers = [it.receive() for _ in range(3)]
    it.queue.enqueue([message(name) for name in "abcdef"])
    assert sorted(len(consumer.received) for consumer in consumers) == [2, 2, 2]


def test_a_message_locked_by_a_consumer_that_left_can_still_be_settled() -> None:
    it = bench()
    it.queue.enqueue([message()])
    consumer = it.receive(credit=1)
    it.queue.detach(consumer)
    assert it.queue.counters() == counters(locked=1)
    it.queue.settle(consumer.token(), Complete())
    assert it.queue.counters() == EMPTY


@pytest.mark.parametrize(
    ("own", "of_the_queue", "lives"),
    [(5.0, None, 5.0), (None, 7.0, 7.0), (5.0, 7.0, 5.0), (9.0, 7.0, 7.0)],
    ids=["message", "queue", "shorter", "longer"],
)
@pytest.mark.parametrize("buries", [True, False], ids=["dead-letters", "drops"])
def test_messages_live_as_long_as_the_shorter_rule_says(
    own: float | None, of_the_queue: float | None, lives: float, *, buries: bool
) -> None:
    default = None if of_the_queue is None else timedelta(seconds=of_the_queue)
    it = bench(time_to_live=default, dead_lettering_on_expiration=buries)
    it.queue.enqueue([message(time_to_live=own)])
    it.clock.advance(lives - 0.001)
    assert it.queue.counters() == counters(active=1)
    it.clock.advance(0.001)
    assert it.queue.counters() == counters(dead=int(buries))


def test_an_expired_message_is_not_delivered_even_before_anyone_looked() -> None:
    it = bench()
    it.queue.enqueue([message("old", time_to_live=1), message("new")])
    it.clock.advance(1)
    consumer = RecordingConsumer()
    it.queue.attach(consumer)
    it.queue.advance()
    assert consumer.bodies == ["new"]


def test_a_locked_message_expires_only_when_it_is_given_back() -> None:
    it = bench(dead_lettering_on_expiration=True)
    it.queue.enqueue([message(time_to_live=1)])
    consumer = it.receive(credit=1)
    it.clock.advance(LOCK - 1)
    assert it.queue.counters() == counters(locked=1)
    it.queue.settle(consumer.token(), Release())
    assert it.queue.counters() == counters(dead=1)


def test_a_scheduled_message_becomes_active_at_its_time_under_a_new_number() -> None:
    it = bench()
    (planned,) = it.queue.enqueue([message("late", scheduled_at=it.clock.now + 10)])
    it.queue.enqueue([message("now")])
    assert it.queue.counters() == counters(active=1, scheduled=1)
    it.clock.advance(10)
    consumer = it.receive()
    assert consumer.bodies == ["now", "late"]
    activated = consumer.received[1][0]
    assert activated.sequence > planned
    assert activated.enqueued_at == it.clock.now


def test_the_life_of_a_scheduled_message_starts_with_its_activation() -> None:
    it = bench()
    it.queue.enqueue([message(scheduled_at=it.clock.now + 10, time_to_live=5)])
    it.clock.advance(10)
    assert it.queue.counters() == counters(active=1)
    it.clock.advance(5)
    assert it.queue.counters() == EMPTY


def test_a_schedule_in_the_past_means_now() -> None:
    it = bench()
    it.queue.enqueue([message(scheduled_at=it.clock.now - 1)])
    assert it.queue.counters() == counters(active=1)


def test_cancelling_drops_all_named_or_none() -> None:
    it = bench()
    at = it.clock.now + 10
    one, two = it.queue.enqueue([message(scheduled_at=at), message(scheduled_at=at)])
    with pytest.raises(MessageNotFound):
        it.queue.cancel([one, 999])
    assert it.queue.counters() == counters(scheduled=2)
    it.queue.cancel([one])
    with pytest.raises(MessageNotFound):
        it.queue.cancel([one])
    it.clock.advance(10)
    with pytest.raises(MessageNotFound):
        it.queue.cancel([two])
    assert it.queue.counters() == counters(active=1)


def test_duplicates_inside_the_window_are_accepted_and_dropped() -> None:
    it = bench(duplicate_window=timedelta(seconds=60))
    it.queue.enqueue([message(message_id="m"), message(message_id="m"), message(message_id="n")])
    it.queue.enqueue([message(), message()])
    assert it.queue.counters() == counters(active=4)
    it.clock.advance(59)
    it.queue.enqueue([message(message_id="m")])
    assert it.queue.counters() == counters(active=4)
    it.clock.advance(1)
    it.queue.enqueue([message(message_id="m")])
    assert it.queue.counters() == counters(active=5)


def test_without_detection_nothing_is_a_duplicate() -> None:
    it = bench()
    it.queue.enqueue([message(message_id="m"), message(message_id="m")])
    assert it.queue.counters() == counters(active=2)


def _defer(it: Bench, consumer: RecordingConsumer) -> int:
    it.queue.settle(consumer.token(), Defer())
    return consumer.received[-1][0].sequence


def test_a_deferred_message_is_for_whoever_names_it_and_returns_to_deferred() -> None:
    it = bench()
    it.queue.enqueue([message("x")])
    sequence = _defer(it, it.receive())
    ((stored, locked),) = it.queue.receive_deferred([sequence], None, lock=True)
    assert locked is not None
    assert text(stored) == "x"
    assert it.queue.counters() == counters(locked=1)
    with pytest.raises(MessageNotFound):
        it.queue.receive_deferred([sequence], None, lock=True)
    it.clock.advance(LOCK)
    assert it.queue.counters() == counters(deferred=1)
    assert it.queue.receive_deferred([sequence], None, lock=False) == [(stored, None)]
    assert it.queue.counters() == EMPTY


def test_deferred_messages_are_handed_out_all_or_none() -> None:
    it = bench()
    it.queue.enqueue([message()])
    sequence = _defer(it, it.receive())
    with pytest.raises(MessageNotFound):
        it.queue.receive_deferred([sequence, 999], None, lock=True)
    assert it.queue.counters() == counters(deferred=1)


def test_a_deferred_message_expires_when_it_is_asked_for() -> None:
    it = bench(dead_lettering_on_expiration=True)
    it.queue.enqueue([message(time_to_live=60)])
    sequence = _defer(it, it.receive())
    it.clock.advance(60)
    assert it.queue.counters() == counters(deferred=1)
    with pytest.raises(MessageNotFound):
        it.queue.receive_deferred([sequence], None, lock=True)
    assert it.queue.counters() == counters(dead=1)


def test_peeking_shows_every_state_in_order_and_changes_nothing() -> None:
    it = bench()
    it.queue.enqueue([message("deferred"), message("locked")])
    consumer = it.receive(credit=2)
    it.queue.settle(consumer.token(0), Defer())
    it.queue.enqueue([message("scheduled", scheduled_at=it.clock.now + 1), message("active")])
    before = it.queue.counters()
    seen = it.queue.peek(1, 10, None)
    assert [text(stored) for stored in seen] == ["deferred", "locked", "scheduled", "active"]
    assert [text(stored) for stored in it.queue.peek(2, 2, None)] == ["locked", "scheduled"]
    assert it.queue.counters() == before == counters(active=1, locked=1, deferred=1, scheduled=1)


def test_a_queue_without_sessions_has_none_to_give() -> None:
    it = bench()
    with pytest.raises(NotAllowed):
        it.queue.accept_session(RecordingConsumer(), "s")
    with pytest.raises(NotAllowed):
        it.queue.session_ids(None)
    it.queue.enqueue([message("plain", session_id="ignored")])
    assert it.receive().bodies == ["plain"]


def test_deadlines_forget_what_was_moved_or_dropped() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.put("moved", 1)
    deadlines.put("moved", 5)
    deadlines.put("dropped", 1)
    deadlines.drop("dropped")
    deadlines.put("kept", 1)
    assert list(deadlines.take_due(1)) == ["kept"]
    assert list(deadlines.take_due(5)) == ["moved"]
    assert list(deadlines.take_due(9)) == []


def test_deadlines_do_not_grow_with_what_was_dropped() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for key in range(10_000):
        deadlines.put(key, 1e9)
        deadlines.drop(key)
    assert len(deadlines) < 200
