"""What any Service Bus broker must do for the Azure SDK: queues without sessions."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusReceiveMode,
)
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusError,
)

from tests.local.servicebus.bus import (
    BRIEF,
    DEDUPLICATED,
    PLAIN,
    Bus,
    batch,
    bodies,
    complete,
    one,
    receive,
    refusals,
    unique,
)


def test_a_message_arrives_as_it_was_sent(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    before = datetime.now(UTC)
    sender.send_messages(
        ServiceBusMessage(
            b"\x00body",
            message_id="id-1",
            correlation_id="corr-1",
            subject="usage",
            content_type="application/json",
            reply_to="elsewhere",
            to="here",
            session_id="not used here",
            time_to_live=timedelta(minutes=5),
            application_properties={
                "text": "ü",
                "number": 7,
                "real": 1.5,
                "flag": True,
                "id": uuid.UUID(int=9),
            },
        )
    )
    message = one(receiver)
    assert b"".join(message.body) == b"\x00body"
    assert (message.message_id, message.correlation_id) == ("id-1", "corr-1")
    assert (message.subject, message.content_type) == ("usage", "application/json")
    assert (message.reply_to, message.to) == ("elsewhere", "here")
    assert message.time_to_live == timedelta(minutes=5)
    assert message.application_properties == {
        b"text": "ü".encode(),
        b"number": 7,
        b"real": 1.5,
        b"flag": True,
        b"id": uuid.UUID(int=9),
    }
    assert message.delivery_count == 0
    assert message.sequence_number is not None
    assert message.enqueued_time_utc is not None
    assert message.locked_until_utc is not None
    assert abs(message.enqueued_time_utc - before) < timedelta(seconds=5)
    assert timedelta(seconds=20) < message.locked_until_utc - before < timedelta(seconds=40)
    receiver.complete_message(message)
    with pytest.raises(MessageAlreadySettled):
        receiver.complete_message(message)
    assert receiver.peek_messages(sequence_number=1) == []


def test_a_batch_arrives_in_order_with_increasing_numbers(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    packed = sender.create_message_batch()
    for index in range(5):
        packed.add_message(ServiceBusMessage(f"packed {index}"))
    sender.send_messages(packed)
    sender.send_messages(batch("a", "b"))
    messages = receive(receiver, 7)
    assert bodies(messages) == [*(f"packed {index}" for index in range(5)), "a", "b"]
    numbers = [message.sequence_number or 0 for message in messages]
    assert numbers == sorted(set(numbers))
    complete(receiver, messages)


def test_an_abandoned_message_comes_again_until_it_is_dead_lettered(bus: Bus) -> None:
    sender, receiver, dead_letters = bus.trio(PLAIN)
    sender.send_messages(ServiceBusMessage("poison"))
    for deliveries in range(3):
        message = one(receiver)
        assert message.delivery_count == deliveries
        receiver.abandon_message(message)
    assert receiver.peek_messages(sequence_number=1) == []
    dead = one(dead_letters)
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    assert dead.dead_letter_error_description
    assert dead.dead_letter_source == PLAIN
    dead_letters.complete_message(dead)
    assert dead_letters.peek_messages() == []


def test_a_dead_letter_bears_its_reason_and_its_own_properties(bus: Bus) -> None:
    sender, receiver, dead_letters = bus.trio(PLAIN)
    sender.send_messages(ServiceBusMessage("bad", application_properties={"own": 1}))
    receiver.dead_letter_message(one(receiver), reason="schema", error_description="no id")
    assert receiver.peek_messages(sequence_number=1) == []
    (peeked,) = dead_letters.peek_messages()
    dead = one(dead_letters)
    for message in (peeked, dead):
        assert str(message) == "bad"
        assert message.dead_letter_reason == "schema"
        assert message.dead_letter_error_description == "no id"
        assert message.application_properties is not None
        assert message.application_properties[b"own"] == 1
    dead_letters.abandon_message(dead)
    again = one(dead_letters)
    assert str(again) == "bad"
    dead_letters.complete_message(again)


def test_a_deferred_message_waits_for_its_number(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    sender.send_messages(batch("later", "now"))
    later, now = receive(receiver, 2)
    receiver.defer_message(later)
    receiver.complete_message(now)
    assert receiver.receive_messages(max_wait_time=BRIEF) == []
    assert later.sequence_number is not None
    (peeked,) = receiver.peek_messages(sequence_number=later.sequence_number)
    assert peeked.state == ServiceBusMessageState.DEFERRED
    (taken,) = receiver.receive_deferred_messages(later.sequence_number)
    assert str(taken) == "later"
    receiver.renew_message_lock(taken)
    receiver.abandon_message(taken)
    (again,) = receiver.receive_deferred_messages([later.sequence_number])
    receiver.complete_message(again)
    with pytest.raises(MessageNotFoundError):
        receiver.receive_deferred_messages(later.sequence_number)


@pytest.mark.parametrize("outcome", ["dead-letter", "defer"])
def test_a_deferred_message_can_be_settled_like_any_other(bus: Bus, outcome: str) -> None:
    sender, receiver, dead_letters = bus.trio(PLAIN)
    sender.send_messages(ServiceBusMessage("x"))
    message = one(receiver)
    receiver.defer_message(message)
    assert message.sequence_number is not None
    (taken,) = receiver.receive_deferred_messages(message.sequence_number)
    if outcome == "defer":
        receiver.defer_message(taken)
        (taken,) = receiver.receive_deferred_messages(message.sequence_number)
        receiver.complete_message(taken)
        return
    receiver.dead_letter_message(taken, reason="late", error_description="too late")
    dead = one(dead_letters)
    assert dead.dead_letter_reason == "late"
    dead_letters.complete_message(dead)


def test_scheduled_messages_come_at_their_time_unless_cancelled(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    at = datetime.now(UTC) + timedelta(seconds=1.5)
    kept, dropped = sender.schedule_messages(batch("kept", "dropped"), at)
    sender.send_messages(ServiceBusMessage("by property", scheduled_enqueue_time_utc=at))
    sender.cancel_scheduled_messages(dropped)
    seen = receiver.peek_messages(10, sequence_number=kept)
    assert bodies(seen) == ["kept", "by property"]
    assert {message.state for message in seen} == {ServiceBusMessageState.SCHEDULED}
    messages = receive(receiver, 2)
    assert sorted(complete(receiver, messages)) == ["by property", "kept"]
    assert datetime.now(UTC) >= at
    with pytest.raises(MessageNotFoundError):
        sender.cancel_scheduled_messages(dropped)


def test_peeking_shows_messages_and_leaves_them(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    sender.send_messages(batch("a", "b", "c"))
    assert bodies(receiver.peek_messages(2)) == ["a", "b"]
    assert bodies(receiver.peek_messages(2)) == ["c"]  # The SDK goes on behind the last one.
    assert receiver.peek_messages(2) == []
    with pytest.raises(ValueError, match="not supported for peeked"):
        receiver.complete_message(receiver.peek_messages(sequence_number=1)[0])
    assert complete(receiver, receive(receiver, 3)) == ["a", "b", "c"]


def test_receive_and_delete_needs_no_settlement(bus: Bus) -> None:
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    sender, receiver = bus.pair(PLAIN, receive_mode=mode)
    sender.send_messages(batch("a", "b"))
    messages = receive(receiver, 2)
    assert bodies(messages) == ["a", "b"]
    assert receiver.peek_messages(sequence_number=1) == []
    with pytest.raises(ValueError, match="not supported"):
        receiver.complete_message(messages[0])


def test_a_lock_can_be_renewed(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    sender.send_messages(ServiceBusMessage("x"))
    message = one(receiver)
    before = message.locked_until_utc
    assert before is not None
    assert receiver.renew_message_lock(message) >= before
    receiver.complete_message(message)


def test_duplicates_are_dropped(bus: Bus) -> None:
    sender, receiver = bus.pair(DEDUPLICATED)
    first, second = unique("m"), unique("m")
    sender.send_messages(ServiceBusMessage("first", message_id=first))
    sender.send_messages(ServiceBusMessage("again", message_id=first))
    sender.send_messages(
        [ServiceBusMessage("other", message_id=second), ServiceBusMessage("2", message_id=first)]
    )
    messages = receive(receiver, 2)
    assert bodies(messages) == ["first", "other"]
    for message in messages:
        receiver.complete_message(message)
    assert receiver.peek_messages(sequence_number=1) == []


def test_a_message_of_several_frames_arrives_whole(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    body = bytes(range(256)) * 1000
    sender.send_messages(ServiceBusMessage(body))
    message = one(receiver)
    assert b"".join(message.body) == body
    receiver.complete_message(message)


def test_a_message_that_is_too_large_is_refused_and_the_sender_goes_on(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN)
    with pytest.raises(MessageSizeExceededError):
        sender.send_messages(ServiceBusMessage(b"x" * (256 * 1024 + 1)))
    full = sender.create_message_batch()
    with pytest.raises(MessageSizeExceededError):
        full.add_message(ServiceBusMessage(b"x" * (256 * 1024 + 1)))
    sender.send_messages(ServiceBusMessage("small"))
    assert complete(receiver, [one(receiver)]) == ["small"]


def test_a_queue_that_does_not_exist_is_said_not_to(bus: Bus) -> None:
    errors = refusals(bus.sender("nowhere"), bus.receiver("nowhere"), bus.dead_letters("nowhere"))
    assert [type(error) for error in errors] == [MessagingEntityNotFoundError] * 3


def test_a_queue_without_sessions_takes_no_session_receiver(bus: Bus) -> None:
    receivers = [bus.receiver(PLAIN, session_id=x) for x in ("s", NEXT_AVAILABLE_SESSION)]
    for error in refusals(*receivers):
        assert isinstance(error, ServiceBusError)
        assert "not-allowed" in str(error)


def test_a_receiver_that_closes_gives_back_what_it_had_not_handed_out(bus: Bus) -> None:
    sender, receiver = bus.pair(PLAIN, prefetch_count=5)
    sender.send_messages(batch("a", "b", "c"))
    message = one(receiver)
    assert str(message) == "a"
    receiver.complete_message(message)
    receiver.close()
    other = bus.receiver(PLAIN)
    again = receive(other, 2)
    assert [message.delivery_count for message in again] == [0, 0]
    assert complete(other, again) == ["b", "c"]
