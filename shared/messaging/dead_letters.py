"""Dead letters: messages that could not be handled, looked at and sent again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from shared.messaging.connection import Connection, translated
from shared.ports import DeadLetter, Message, Messages

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage

WAIT: Final = 3.0
"""Seconds to wait for a first dead letter before the queue counts as empty."""

SHOWN: Final = 2_000
"""Characters of a body that are shown."""


class ServiceBusDeadLetters:
    """The port ``DeadLetters``."""

    def __init__(self, connection: Connection, messages: Messages) -> None:
        self._connection = connection
        self._messages = messages

    def peek(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        """The oldest dead letters of a queue; they stay where they are."""
        from azure.servicebus import ServiceBusSubQueue

        with (
            translated(),
            self._connection.client().get_queue_receiver(
                queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER
            ) as receiver,
        ):
            return [_shown(message) for message in receiver.peek_messages(limit)]

    def replay(self, queue: str, limit: int) -> int:
        """Send up to ``limit`` dead letters again, oldest first; returns how many.

        Each is sent before it is taken away: should that fail in between it is handled twice,
        which every handler of this pipeline bears.
        """
        from azure.servicebus import ServiceBusSubQueue

        replayed = 0
        with (
            translated(),
            self._connection.client().get_queue_receiver(
                queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER
            ) as receiver,
        ):
            while replayed < limit:
                found = receiver.receive_messages(min(limit - replayed, 100), max_wait_time=WAIT)
                if not found:
                    break
                for message in found:
                    self._messages.publish(queue, [_again(message)])
                    receiver.complete_message(message)
                    replayed += 1
        return replayed


def _again(message: "ServiceBusReceivedMessage") -> Message:
    return Message(_body(message), message.session_id, message.message_id)


def _shown(message: "ServiceBusReceivedMessage") -> DeadLetter:
    return DeadLetter(
        message.message_id or "",
        message.enqueued_time_utc,
        message.dead_letter_reason or "",
        message.dead_letter_error_description or "",
        _body(message)[:SHOWN],
    )


def _body(message: "ServiceBusReceivedMessage") -> str:
    return b"".join(message.body).decode(errors="replace")
