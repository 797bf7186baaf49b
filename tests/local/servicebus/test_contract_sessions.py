"""What any Service Bus broker must do for the Azure SDK: queues with sessions."""

import pytest
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
)

from tests.local.servicebus.bus import (
    SESSIONS,
    WAIT,
    Bus,
    batch,
    bodies,
    opened,
    receive,
    refusals,
    unique,
)


def _session_id(receiver: object) -> object:
    return receiver.session.session_id  # type: ignore[attr-defined] # typed as optional by the SDK


def test_a_session_receiver_gets_its_session_in_order(bus: Bus) -> None:
    one, two = unique("s"), unique("s")
    sender, receiver = bus.pair(SESSIONS, session_id=two)
    for index in range(3):
        sender.send_messages(ServiceBusMessage(f"one {index}", session_id=one))
        sender.send_messages(ServiceBusMessage(f"two {index}", session_id=two))
    messages = receive(receiver, 3)
    assert bodies(messages) == ["two 0", "two 1", "two 2"]
    assert {message.session_id for message in messages} == {two}
    assert bodies(receiver.peek_messages(10, sequence_number=1)) == ["two 0", "two 1", "two 2"]
    for message in messages:
        receiver.complete_message(message)
    assert receiver.peek_messages(10, sequence_number=1) == []


def test_the_next_available_session_is_one_that_has_messages_and_no_receiver(bus: Bus) -> None:
    one, two = unique("s"), unique("s")
    sender = bus.sender(SESSIONS)
    sender.send_messages(batch("1", session_id=one))
    sender.send_messages(batch("2", session_id=two))
    options = {"session_id": NEXT_AVAILABLE_SESSION, "max_wait_time": WAIT}
    first, second = opened(bus.receiver(SESSIONS, **options), bus.receiver(SESSIONS, **options))
    found = bodies(receive(first, 1)) + bodies(receive(second, 1))
    assert {_session_id(first), _session_id(second)} == {one, two}
    assert sorted(found) == ["1", "2"]


def test_waiting_for_a_session_ends_when_none_comes(bus: Bus) -> None:
    waiting = bus.receiver(SESSIONS, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1)
    with pytest.raises(OperationTimeoutError):
        waiting.receive_messages(max_wait_time=1)


def test_a_locked_session_cannot_be_had_twice(bus: Bus) -> None:
    session_id = unique("s")
    holder, other = (bus.receiver(SESSIONS, session_id=session_id) for _ in range(2))
    assert holder.peek_messages() == []
    with pytest.raises(SessionCannotBeLockedError):
        other.peek_messages()
    holder.close()
    assert other.peek_messages() == []


def test_a_state_stays_with_the_session(bus: Bus) -> None:
    session_id = unique("s")
    first, second = (bus.receiver(SESSIONS, session_id=session_id) for _ in range(2))
    assert first.session.get_state() is None
    first.session.set_state(b"cursor 7")
    first.close()
    assert second.session.get_state() == b"cursor 7"
    second.session.set_state(None)
    assert second.session.get_state() is None


def test_a_session_lock_can_be_renewed(bus: Bus) -> None:
    receiver = bus.receiver(SESSIONS, session_id=unique("s"))
    assert receiver.peek_messages() == []
    before = receiver.session.locked_until_utc
    assert before is not None
    assert receiver.session.renew_lock() >= before


def test_messages_and_receivers_must_name_a_session(bus: Bus) -> None:
    sender, receiver = bus.sender(SESSIONS), bus.receiver(SESSIONS)
    nothing, refusal = refusals(sender, receiver)
    assert nothing is None
    assert isinstance(refusal, ServiceBusError)
    assert "not-allowed" in str(refusal)
    with pytest.raises(ServiceBusError, match="not-allowed"):
        sender.send_messages(ServiceBusMessage("x"))


def test_deferring_and_dead_lettering_work_inside_a_session(bus: Bus) -> None:
    session_id = unique("s")
    sender, receiver, dead_letters = bus.trio(SESSIONS, session_id=session_id)
    sender.send_messages(batch("defer", "bury", session_id=session_id))
    deferred, buried = receive(receiver, 2)
    receiver.defer_message(deferred)
    receiver.dead_letter_message(buried, reason="r", error_description="d")
    assert deferred.sequence_number is not None
    (again,) = receiver.receive_deferred_messages(deferred.sequence_number)
    receiver.complete_message(again)
    (dead,) = receive(dead_letters, 1)
    assert (str(dead), dead.session_id, dead.dead_letter_reason) == ("bury", session_id, "r")
    dead_letters.complete_message(dead)


def test_a_receiver_that_closes_gives_its_session_back_uncounted(bus: Bus) -> None:
    session_id = unique("s")
    sender, receiver = bus.pair(SESSIONS, session_id=session_id)
    sender.send_messages(batch("a", "b", session_id=session_id))
    assert bodies(receive(receiver, 2)) == ["a", "b"]
    receiver.close()
    again = receive(bus.receiver(SESSIONS, session_id=session_id), 2)
    assert [(str(x), x.delivery_count) for x in again] == [("a", 0), ("b", 0)]


def test_sessions_are_listed(bus: Bus) -> None:
    one, two = sorted([unique("s"), unique("s")])
    sender, receiver = bus.pair(SESSIONS, session_id=two)
    sender.send_messages(batch("x", session_id=one))
    receiver.session.set_state(b"kept")
    listed = list(bus.client().list_queue_sessions(SESSIONS))
    assert {one, two} <= set(listed)
    assert len(listed) == len(set(listed))
