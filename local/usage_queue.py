"""The Service Bus queue ``usage``, as a product backend fills it."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import Self

from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local.clients import CallFailed

EVENTS_A_MESSAGE = 25
EMPTY_WITHIN_SECONDS = 60


def batches(items: Sequence[object], size: int) -> Iterator[Sequence[object]]:
    return (items[at : at + size] for at in range(0, len(items), size))


class UsageQueue:
    """A sender, and a receiver that only looks."""

    def __init__(self, connection: str) -> None:
        self._open = contextlib.ExitStack()
        client = self._open.enter_context(ServiceBusClient.from_connection_string(connection))
        self._sender = self._open.enter_context(client.get_queue_sender("usage"))
        self._receiver = self._open.enter_context(client.get_queue_receiver("usage"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def put(self, events: Sequence[object]) -> None:
        """Send events, several in a message."""
        self._sender.send_messages(
            [
                ServiceBusMessage(json.dumps(batch), content_type="application/json")
                for batch in batches(events, EVENTS_A_MESSAGE)
            ]
        )

    def wait_empty(self) -> None:
        """A message leaves the queue only once its events are stored."""
        deadline = time.monotonic() + EMPTY_WITHIN_SECONDS
        while self._receiver.peek_messages(1):
            if time.monotonic() > deadline:
                raise CallFailed("the queue usage was not emptied; see the logs")
            time.sleep(0.05)
