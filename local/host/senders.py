"""Sends what functions put into Service Bus output bindings."""

import asyncio
import json
from collections.abc import Mapping

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.exceptions import MessageSizeExceededError, ServiceBusError

from local.host import protos
from local.host.bindings import OutputError, QueueOutput
from local.host.settings import SettingsError, connection_string

# Seconds; the client's own 0.8 is meant for a broker far away.
_RETRY_PAUSE = 0.1


class Senders:
    """One cached sender a queue, each used by one task at a time, as the client demands."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._clients: dict[str, ServiceBusClient] = {}
        self._senders: dict[tuple[str, str], ServiceBusSender] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def send(self, output: QueueOutput, value: protos.TypedData) -> None:
        """Send a value, or every element of a JSON array; raises ``OutputError``."""
        messages = to_messages(value)
        key = (output.connection, output.queue)
        async with self._locks.setdefault(key, asyncio.Lock()):
            try:
                await _send_all(self._sender(key), messages)
            except SettingsError as error:
                raise OutputError(str(error)) from error
            except (ServiceBusError, ValueError) as error:
                await self._forget(key)
                raise OutputError(f"queue {output.queue}: {error}") from error

    async def close(self) -> None:
        """Close every connection."""
        for key in list(self._senders):
            await self._forget(key)
        for client in self._clients.values():
            await client.close()

    def _sender(self, key: tuple[str, str]) -> ServiceBusSender:
        sender = self._senders.get(key)
        if sender is None:
            connection, queue = key
            text = connection_string(connection, self._environment)
            client = self._clients.get(text)
            if client is None:
                client = self._clients[text] = ServiceBusClient.from_connection_string(
                    text, retry_backoff_factor=_RETRY_PAUSE
                )
            sender = self._senders[key] = client.get_queue_sender(queue)
        return sender

    async def _forget(self, key: tuple[str, str]) -> None:
        sender = self._senders.pop(key, None)
        if sender is not None:
            await sender.close()


async def _send_all(sender: ServiceBusSender, messages: list[ServiceBusMessage]) -> None:
    if len(messages) == 1:
        await sender.send_messages(messages[0])
        return
    batch = await sender.create_message_batch()
    for message in messages:
        try:
            batch.add_message(message)
        except MessageSizeExceededError:
            await sender.send_messages(batch)
            batch = await sender.create_message_batch()
            batch.add_message(message)
    if len(batch) > 0:
        await sender.send_messages(batch)


def to_messages(value: protos.TypedData) -> list[ServiceBusMessage]:
    """The messages of one output value; content types are those the Azure binding sets."""
    content = getattr(value, value.WhichOneof("data"))
    if isinstance(content, bytes):
        return [ServiceBusMessage(content, content_type="application/octet-stream")]
    text = str(content)
    return [ServiceBusMessage(body, content_type="text/plain") for body in _array_elements(text)]


def _array_elements(text: str) -> list[str]:
    """Azure sends a JSON array as one message an element, anything else as it is."""
    if not text.lstrip().startswith("["):
        return [text]
    try:
        elements = json.loads(text)
    except json.JSONDecodeError:
        return [text]
    return [
        element if isinstance(element, str) else json.dumps(element, separators=(",", ":"))
        for element in elements
    ]
