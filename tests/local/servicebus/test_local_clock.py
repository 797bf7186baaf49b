"""What only time brings about, through the Azure SDK, on our broker's movable clock."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    SessionLockLostError,
)

from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.stored import Counters
from tests.local.servicebus.bus import (
    DEDUPLICATED,
    PLAIN,
    SESSIONS,
    Buses,
    LocalBus,
    batch,
    bodies,
    one,
    opened,
    receive,
    unique,
)

LOCK = 30.0


def test_a_lost_lock_is_told_and_the_message_comes_again(local_bus: LocalBus) -> None:
    sender, receiver = local_bus.pair(PLAIN)
    sender.send_messages(batch("a", "b", "c", "d"))
    complete, abandon, bury, renew = receive(receiver, 4)
    local_bus.clock.advance(LOCK)
    with pytest.raises(MessageLockLostError):
        receiver.complete_message(complete)
    with pytest.raises(MessageLockLostError):
        receiver.abandon_message(abandon)
    with pytest.raises(MessageLockLostError):
        receiver.dead_letter_message(bury, reason="r")
    with pytest.raises(MessageLockLostError):
        receiver.renew_message_lock(renew)
    again = receive(receiver, 4)
    assert [(str(x), x.delivery_count) for x in again] == [(name, 1) for name in "abcd"]


def test_a_renewed_lock_holds(local_bus: LocalBus) -> None:
    sender, receiver = local_bus.pair(PLAIN)
    sender.send_messages(ServiceBusMessage("x"))
    message = one(receiver)
    for _ in range(3):
        local_bus.clock.advance(LOCK - 5)
        receiver.renew_message_lock(message)
    receiver.complete_message(message)
    assert local_bus.counters(PLAIN) == Counters(0, 0, 0, 0, 0)


def test_counters_follow_the_messages(local_bus: LocalBus) -> None:
    sender, receiver = local_bus.pair(PLAIN)
    sender.send_messages(batch("locked", "deferred", "dead"))
    _, deferred, dead = receive(receiver, 3)
    receiver.defer_message(deferred)
    receiver.dead_letter_message(dead)
    sender.schedule_messages(ServiceBusMessage("late"), datetime.now(UTC) + timedelta(days=1))
    sender.send_messages(batch("active"))
    assert local_bus.counters(PLAIN) == Counters(
        active=1, locked=1, deferred=1, scheduled=1, dead=1
    )
    with pytest.raises(KeyError):
        local_bus.counters("nowhere")


def test_expired_messages_are_dead_lettered_with_the_reason(local_bus: LocalBus) -> None:
    sender, receiver, dead_letters = local_bus.trio(PLAIN)
    sender.send_messages(ServiceBusMessage("short", time_to_live=timedelta(seconds=10)))
    sender.send_messages(ServiceBusMessage("long"))
    local_bus.clock.advance(10)
    assert bodies(receiver.peek_messages(5)) == ["long"]
    dead = one(dead_letters)
    assert (str(dead), dead.dead_letter_reason) == ("short", "TTLExpiredException")


def test_a_scheduled_message_comes_when_the_clock_says_so(local_bus: LocalBus) -> None:
    sender, receiver = local_bus.pair(PLAIN)
    at = datetime.now(UTC) + timedelta(hours=1)
    (number,) = sender.schedule_messages(ServiceBusMessage("late"), at)
    local_bus.clock.advance(3601)
    message = one(receiver)
    assert message.sequence_number is not None
    assert message.sequence_number > number
    with pytest.raises(MessageNotFoundError):
        sender.cancel_scheduled_messages(number)


def test_the_duplicate_window_ends(local_bus: LocalBus) -> None:
    sender, receiver = local_bus.pair(DEDUPLICATED)
    for _ in range(2):
        sender.send_messages(batch("x", "y", message_id="same"))
        local_bus.clock.advance(61)
    assert bodies(receive(receiver, 2)) == ["x", "x"]
    assert local_bus.counters(DEDUPLICATED).active == 0


def test_a_lost_session_is_told_and_free_for_others(local_bus: LocalBus) -> None:
    session_id = unique("s")
    sender, receiver = local_bus.pair(SESSIONS, session_id=session_id)
    sender.send_messages(batch("x", session_id=session_id))
    (message,) = receive(receiver, 1)
    local_bus.clock.advance(LOCK - 5)
    receiver.session.renew_lock()
    local_bus.clock.advance(LOCK - 5)
    receiver.session.set_state(b"still mine")
    local_bus.clock.advance(LOCK)
    with pytest.raises(SessionLockLostError):
        receiver.complete_message(message)
    with pytest.raises(SessionLockLostError):
        receiver.session.renew_lock()
    other = local_bus.receiver(SESSIONS, session_id=session_id)
    (again,) = receive(other, 1)
    assert (str(again), again.delivery_count) == ("x", 1)
    other.complete_message(again)
    with pytest.raises(SessionLockLostError):
        receiver.session.set_state(b"not mine")
    assert other.session.get_state() == b"still mine"


def test_the_largest_message_is_an_option(buses: Buses) -> None:
    with buses.local([QueueConfig("large")], max_message_size=1024 * 1024) as bus:
        sender, receiver = bus.pair("large")
        sender.send_messages(ServiceBusMessage(b"x" * 1_000_000))
        assert len(b"".join(one(receiver).body)) == 1_000_000
        for oversized in (b"x" * (1024 * 1024), b"x" * (3 * 1024 * 1024)):
            with pytest.raises(MessageSizeExceededError):
                sender.send_messages(ServiceBusMessage(oversized))


def test_queues_are_found_in_any_case(local_bus: LocalBus) -> None:
    sender, receiver = opened(
        local_bus.sender(PLAIN.upper()), local_bus.receiver(PLAIN.capitalize())
    )
    sender.send_messages(ServiceBusMessage("x"))
    assert str(one(receiver)) == "x"
