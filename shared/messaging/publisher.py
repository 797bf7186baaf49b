"""Sends messages to the pipeline's queues over Service Bus."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from shared.domain.errors import TooLarge
from shared.messaging.connection import Connection, translated
from shared.ports import Message

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusMessageBatch, ServiceBusSender

MAX_BATCH: Final = 255 * 1024
"""Bytes of one send, a little below the 256 KiB of the Standard tier (Service Bus quotas)."""

SEND_TIMEOUT: Final = 20.0
"""Seconds for one send with all of its tries."""


class ServiceBusMessages:
    """The port ``Messages``.

    Opening a sender takes about half a second, so each queue's is kept; senders are not safe
    for two threads, so each has a lock. A sender that failed is dropped and opened anew.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._senders: dict[str, ServiceBusSender] = {}

    def publish(self, queue: str, messages: Sequence[Message]) -> None:
        """Send all messages, in as few sends as their size and sessions allow.

        Raises ``TooLarge`` before anything was sent when one is too large for any send,
        ``Throttled`` or ``Unavailable`` when some may have been sent and some not.
        """
        if not messages:
            return
        with self._queue_lock(queue), translated():
            try:
                sender = self._sender(queue)
                for batch in _batches(sender, messages):
                    sender.send_messages(batch, timeout=SEND_TIMEOUT)
            except TooLarge:
                raise
            except BaseException:
                self._drop(queue)
                raise

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            queues = list(self._locks)
        for queue in queues:
            with self._queue_lock(queue):
                self._drop(queue)
        self._connection.close()

    def _queue_lock(self, queue: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(queue, threading.Lock())

    def _sender(self, queue: str) -> "ServiceBusSender":
        sender = self._senders.get(queue)
        if sender is None:
            sender = self._senders[queue] = self._connection.client().get_queue_sender(queue)
        return sender

    def _drop(self, queue: str) -> None:
        from azure.servicebus.exceptions import ServiceBusError

        sender = self._senders.pop(queue, None)
        if sender is not None:
            with suppress(ServiceBusError, OSError):
                sender.close()


def _due(after: timedelta | None) -> datetime | None:
    """When the queue is to hand a message out; Service Bus has only a time for that."""
    return None if after is None else datetime.now(UTC) + after


def _batches(
    sender: "ServiceBusSender", messages: Sequence[Message]
) -> "list[ServiceBusMessageBatch]":
    """The messages in order, packed; a batch holds one session's only.

    All are packed before the first is sent. Raises ``TooLarge``.
    """
    from azure.servicebus import ServiceBusMessage
    from azure.servicebus.exceptions import MessageSizeExceededError

    batches: list[ServiceBusMessageBatch] = []
    session: str | None = None
    for message in messages:
        packed = ServiceBusMessage(
            message.body,
            session_id=message.session,
            message_id=message.id,
            content_type="application/json",
            scheduled_enqueue_time_utc=_due(message.after),
        )
        if batches and message.session == session:
            with suppress(MessageSizeExceededError):
                batches[-1].add_message(packed)
                continue
        session = message.session
        batches.append(sender.create_message_batch(max_size_in_bytes=MAX_BATCH))
        try:
            batches[-1].add_message(packed)
        except MessageSizeExceededError as exc:
            raise TooLarge(f"a message takes more than {MAX_BATCH} bytes") from exc
    return batches
