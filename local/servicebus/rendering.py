"""How a stored message looks to a receiver."""

from local.servicebus.codec import Int, Symbol, Timestamp, Value
from local.servicebus.entity.queue import Queue
from local.servicebus.entity.stored import (
    STATE_ACTIVE,
    STATE_DEFERRED,
    STATE_SCHEDULED,
    Active,
    Deferred,
    Locked,
    Scheduled,
    State,
    StoredMessage,
)

_SEQUENCE = Symbol("x-opt-sequence-number")
_ENQUEUED_SEQUENCE = Symbol("x-opt-enqueue-sequence-number")
_ENQUEUED_AT = Symbol("x-opt-enqueued-time")
_STATE = Symbol("x-opt-message-state")
_LOCKED_UNTIL = Symbol("x-opt-locked-until")
_DEAD_LETTER_SOURCE = Symbol("x-opt-deadletter-source")

_TICKS_AT_EPOCH = 621_355_968_000_000_000
"""Ticks of 100 ns from 0001-01-01, where .NET counts from, to 1970-01-01."""


def timestamp(seconds: float) -> Timestamp:
    """Unix seconds as AMQP writes them."""
    return Timestamp(round(seconds * 1000))


def ticks(seconds: float) -> int:
    """Unix seconds as .NET ticks, which session locks are announced in."""
    return _TICKS_AT_EPOCH + round(seconds * 10_000_000)


def render(queue: Queue, message: StoredMessage) -> bytes:
    """The bytes of a message as it is now, with Service Bus's annotations."""
    notes: dict[Value, Value] = {
        _SEQUENCE: message.sequence,
        _ENQUEUED_SEQUENCE: message.sequence,
        _ENQUEUED_AT: timestamp(message.enqueued_at),
        _STATE: Int(_state_number(message.state)),
    }
    until = queue.locked_until(message)
    if until is not None:
        notes[_LOCKED_UNTIL] = timestamp(until)
    if message.dead_letter_source is not None:
        notes[_DEAD_LETTER_SOURCE] = message.dead_letter_source
    return message.content.render(message.delivery_count, notes)


def _state_number(state: State) -> int:
    match state:
        case Active():
            return STATE_ACTIVE
        case Scheduled():
            return STATE_SCHEDULED
        case Deferred():
            return STATE_DEFERRED
        case Locked(deferred=deferred):
            return STATE_DEFERRED if deferred else STATE_ACTIVE
