"""The broker under test, as the Azure SDK sees it."""

import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)

from local.servicebus.broker import MAX_MESSAGE_SIZE, RunningBroker, running_broker
from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.stored import Counters
from tests.local.servicebus.support import OffsetClock

PLAIN = "contract-plain"
SESSIONS = "contract-sessions"
DEDUPLICATED = "contract-deduplicated"

WAIT = 5.0
"""Seconds to wait for messages that must come."""
BRIEF = 0.5
"""Seconds to wait for messages that must not come."""


@dataclass
class Bus:
    """A broker behind a connection string, and every client that a test opens on it."""

    connection_string: str
    _clients: list[ServiceBusClient] = field(default_factory=list)

    def client(self) -> ServiceBusClient:
        """A client that fails at once instead of retrying."""
        client = ServiceBusClient.from_connection_string(self.connection_string, retry_total=0)
        self._clients.append(client)
        return client

    def sender(self, queue: str) -> ServiceBusSender:
        """A sender, not opened yet."""
        return self.client().get_queue_sender(queue)

    def receiver(self, queue: str, **options: Any) -> ServiceBusReceiver:  # noqa: ANN401 - the SDK's
        """A receiver, not opened yet."""
        return self.client().get_queue_receiver(queue, **options)

    def pair(self, queue: str, **options: Any) -> tuple[ServiceBusSender, ServiceBusReceiver]:  # noqa: ANN401 - the SDK's
        """An open sender and an open receiver."""
        return opened(self.sender(queue), self.receiver(queue, **options))

    def trio(
        self,
        queue: str,
        **options: Any,  # noqa: ANN401 - the SDK's
    ) -> tuple[ServiceBusSender, ServiceBusReceiver, ServiceBusReceiver]:
        """An open sender, an open receiver and one of the dead letters."""
        return opened(self.sender(queue), self.receiver(queue, **options), self.dead_letters(queue))

    def dead_letters(self, queue: str) -> ServiceBusReceiver:
        """A receiver of a queue's dead letters."""
        return self.receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER)

    def close(self) -> None:
        """Close what was opened; the SDK takes up to a second for each receiver."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda client: client.close(), self._clients))
        self._clients.clear()


@dataclass
class LocalBus(Bus):
    """Our own broker, with its clock and counters in hand."""

    broker: RunningBroker = field(kw_only=True)
    clock: OffsetClock = field(kw_only=True)

    def counters(self, queue: str) -> Counters:
        """Messages by state."""
        return self.broker.counters(queue)


class Buses:
    """Starts a broker for each test and closes it behind the tests' backs.

    The SDK needs up to a second to close a client: tests need not wait for one another's.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(16)
        self._closing: list[Future[None]] = []

    @contextmanager
    def local(
        self, queues: list[QueueConfig], max_message_size: int = MAX_MESSAGE_SIZE
    ) -> Iterator[LocalBus]:
        """A broker of our own with these queues."""
        clock = OffsetClock()
        running = running_broker(queues, clock=clock, max_message_size=max_message_size)
        broker = running.__enter__()
        bus = LocalBus(broker.connection_string, broker=broker, clock=clock)

        def close() -> None:
            bus.close()
            running.__exit__(None, None, None)

        try:
            yield bus
        finally:
            self._closing.append(self._pool.submit(close))

    def close(self) -> None:
        """Wait for everything to be closed; raises what went wrong with it."""
        for closing in self._closing:
            closing.result()
        self._pool.shutdown()


def opened[*Handlers](*handlers: *Handlers) -> tuple[*Handlers]:
    """The handlers, opened at the same time: the SDK takes half a second for each."""
    with ThreadPoolExecutor(len(handlers)) as pool:
        for opening in [pool.submit(handler.__enter__) for handler in handlers]:  # type: ignore[attr-defined] # senders and receivers have it
            opening.result()
    return handlers


def refusals(*handlers: ServiceBusSender | ServiceBusReceiver) -> list[BaseException | None]:
    """The errors with which the handlers fail to open, all at the same time."""
    with ThreadPoolExecutor(len(handlers)) as pool:
        openings = [pool.submit(handler.__enter__) for handler in handlers]
    return [opening.exception() for opening in openings]


def purge(bus: Bus) -> None:
    """Empty the queues that other tests have used, their dead letters included."""
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    sessions = list(bus.client().list_queue_sessions(SESSIONS))
    receivers = [bus.receiver(queue, receive_mode=mode) for queue in (PLAIN, DEDUPLICATED)]
    receivers += [
        bus.receiver(queue, receive_mode=mode, sub_queue=ServiceBusSubQueue.DEAD_LETTER)
        for queue in (PLAIN, SESSIONS, DEDUPLICATED)
    ]
    receivers += [bus.receiver(SESSIONS, receive_mode=mode, session_id=name) for name in sessions]
    opened(*receivers)
    for receiver in receivers:
        _empty(receiver)
    for receiver in receivers[-len(sessions) :] if sessions else ():
        receiver.session.set_state(None)
    bus.close()


def _empty(receiver: ServiceBusReceiver) -> None:
    """Until nothing is left: what another receiver has locked comes back when its lock ends."""
    while remaining := receiver.peek_messages(100, sequence_number=1):
        deferred = [
            message.sequence_number
            for message in remaining
            if message.state == ServiceBusMessageState.DEFERRED
        ]
        if deferred:
            receiver.receive_deferred_messages([number for number in deferred if number])
        receiver.receive_messages(100, max_wait_time=BRIEF)


def unique(name: str) -> str:
    """A name no other test uses."""
    return f"{name}-{uuid.uuid4()}"


def receive(
    receiver: ServiceBusReceiver, count: int, wait: float = WAIT
) -> list[ServiceBusReceivedMessage]:
    """Exactly ``count`` messages, in as many calls as the SDK needs."""
    messages: list[ServiceBusReceivedMessage] = []
    while len(messages) < count:
        batch = receiver.receive_messages(count - len(messages), max_wait_time=wait)
        assert batch, f"{len(messages)} of {count} messages came"
        messages += batch
    return messages


def one(receiver: ServiceBusReceiver) -> ServiceBusReceivedMessage:
    """The one message that must come."""
    return receive(receiver, 1)[0]


def complete(receiver: ServiceBusReceiver, messages: list[ServiceBusReceivedMessage]) -> list[str]:
    """Complete messages, which leaves the queue clean for the next test; returns the bodies."""
    for message in messages:
        receiver.complete_message(message)
    return bodies(messages)


def bodies(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    """Bodies as text."""
    return [str(message) for message in messages]


def batch(*texts: str, **options: Any) -> list[ServiceBusMessage]:  # noqa: ANN401 - the SDK's
    """Messages of one send, which the SDK packs into one batch."""
    return [ServiceBusMessage(text, **options) for text in texts]
