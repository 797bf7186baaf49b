"""Pumps: receive Service Bus messages, run the function, settle."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import OperationTimeoutError, ServiceBusError

from local.host.backoff import Backoff
from local.host.bindings import QueueTrigger
from local.host.locks import LockRenewal, Renew
from local.host.logs import HOST_LOGGER
from local.host.settings import ServiceBusOptions
from local.host.stopping import Stop

_log = logging.getLogger(HOST_LOGGER)
_ACCEPT_WAIT = 60.0
# How long one receive call may take; between two calls the pump looks whether to stop.
_RECEIVE_WAIT = 0.5
# Every link that waits for a session costs the client some polling.
_ACCEPTING = 2
# A receive call that waits keeps the connection from settlements, so runs about to end go first.
_SETTLE_PAUSE = 0.05

type Messages = Sequence[ServiceBusReceivedMessage]
type Handle = Callable[[Messages], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class PumpSettings:
    """What one function's pump needs; ``handle`` says whether the function succeeded."""

    function: str
    trigger: QueueTrigger
    options: ServiceBusOptions
    connection_string: str
    handle: Handle

    @property
    def auto_complete(self) -> bool:
        """The trigger's own choice, else host.json's."""
        chosen = self.trigger.auto_complete
        return self.options.auto_complete_messages if chosen is None else chosen


class _NoSessionError(Exception):
    """No session came up for a while."""


class Pump:
    """Serves one queue trigger until told to stop."""

    def __init__(self, settings: PumpSettings, stop: Stop) -> None:
        self._settings = settings
        self._options = settings.options
        self._stop = stop
        self._running: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.Semaphore(_ACCEPTING)

    async def run(self) -> None:
        """Receive until the stop; then wait for what is running. Cancelling abandons that."""
        trigger = self._settings.trigger
        # Retries are this pump's own: the client's would hold up a stop.
        client = ServiceBusClient.from_connection_string(
            self._settings.connection_string, retry_total=0
        )
        try:
            if trigger.sessions:
                # Azure runs one session at a time for functions that take batches.
                count = 1 if trigger.many else self._options.max_concurrent_sessions
                async with asyncio.TaskGroup() as group:
                    for _ in range(count):
                        group.create_task(self._keep_receiving(client, self._serve_session))
            else:
                serve = self._serve_batches if trigger.many else self._serve_single
                await self._keep_receiving(client, serve)
        finally:
            await client.close()

    async def _keep_receiving(
        self,
        client: ServiceBusClient,
        serve: Callable[[ServiceBusReceiver], Awaitable[None]],
    ) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            receiver = self._new_receiver(client)
            try:
                if await self._open(receiver):
                    backoff.reset()
                    await serve(receiver)
            except _NoSessionError:
                backoff.reset()
            except (ServiceBusError, ValueError) as error:
                delay = backoff.next()
                _log.warning(
                    "queue %s: %s; next try in %.1f s", self._settings.trigger.queue, error, delay
                )
                await self._stop.wait(delay)
            finally:
                await receiver.close()

    async def _open(self, receiver: ServiceBusReceiver) -> bool:
        """Whether the receiver is open rather than the host stopping.

        A receive call would open it too, but within its own short wait.
        """
        if not self._settings.trigger.sessions:
            return await self._stop.unless(receiver.__aenter__())
        async with self._accepting:
            if self._stop.is_set():
                return False
            try:
                return await self._stop.unless(receiver.__aenter__())
            except OperationTimeoutError as error:
                raise _NoSessionError from error

    def _new_receiver(self, client: ServiceBusClient) -> ServiceBusReceiver:
        trigger = self._settings.trigger
        if not trigger.sessions:
            return client.get_queue_receiver(
                trigger.queue, prefetch_count=self._options.prefetch_count
            )
        return client.get_queue_receiver(
            trigger.queue,
            session_id=NEXT_AVAILABLE_SESSION,
            max_wait_time=_ACCEPT_WAIT,
            prefetch_count=self._options.prefetch_count,
        )

    async def _serve_single(self, receiver: ServiceBusReceiver) -> None:
        """One run a message, as many at once as ``maxConcurrentCalls``."""
        limit = self._options.max_concurrent_calls
        wanted = 1
        try:
            while not self._stop.is_set():
                if len(self._running) >= limit:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                if self._running:
                    await asyncio.wait(self._running, timeout=_SETTLE_PAUSE)
                if len(self._running) >= limit:
                    continue
                wanted = min(wanted, limit - len(self._running))
                messages = await receiver.receive_messages(wanted, max_wait_time=_RECEIVE_WAIT)
                for message in messages:
                    self._start(receiver, message)
                # A call for several waits a moment for the rest, so only a backlog asks for them.
                wanted = limit if len(messages) == wanted else 1
            while self._running:
                await asyncio.wait(self._running)
        except asyncio.CancelledError:
            # Each cancelled run abandons its message, which needs the receiver still open.
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            raise

    def _start(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> None:
        task = asyncio.create_task(self._process_locked(receiver, [message]))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve_batches(self, receiver: ServiceBusReceiver) -> None:
        """One run a batch, one batch after the other."""
        while not self._stop.is_set():
            messages = await self._receive_batch(receiver)
            if messages:
                await self._process_locked(receiver, messages)

    async def _receive_batch(self, receiver: ServiceBusReceiver) -> list[ServiceBusReceivedMessage]:
        options = self._options
        messages = await receiver.receive_messages(
            options.max_message_batch_size, max_wait_time=_RECEIVE_WAIT
        )
        end = time.monotonic() + options.max_batch_wait_time
        while 0 < len(messages) < options.min_message_batch_size and not self._stop.is_set():
            left = end - time.monotonic()
            if left <= 0:
                break
            messages += await receiver.receive_messages(
                options.max_message_batch_size - len(messages),
                max_wait_time=min(_RECEIVE_WAIT, left),
            )
        return messages

    async def _serve_session(self, receiver: ServiceBusReceiver) -> None:
        """Everything of one session in order, until it is quiet for ``sessionIdleTimeout``."""
        session = receiver.session
        renewal = LockRenewal(
            session.renew_lock, session.locked_until_utc, self._options.max_auto_lock_renewal
        )
        try:
            idle_since = time.monotonic()
            while not self._stop.is_set():
                left = idle_since + self._options.session_idle_timeout - time.monotonic()
                if left <= 0:
                    return
                messages = await self._receive_of_session(receiver, left)
                if messages:
                    renewal.restart()
                    await self._process(receiver, messages, None)
                    idle_since = time.monotonic()
        finally:
            await renewal.stop()

    async def _receive_of_session(
        self, receiver: ServiceBusReceiver, longest: float
    ) -> list[ServiceBusReceivedMessage]:
        if self._settings.trigger.many:
            return await self._receive_batch(receiver)
        return await receiver.receive_messages(1, max_wait_time=min(_RECEIVE_WAIT, longest))

    async def _process_locked(self, receiver: ServiceBusReceiver, messages: Messages) -> None:
        """Process messages that have locks of their own."""
        locks = [message.locked_until_utc for message in messages if message.locked_until_utc]
        renewal = LockRenewal(
            _renew_all(receiver, messages),
            min(locks) if locks else None,
            self._options.max_auto_lock_renewal,
        )
        await self._process(receiver, messages, renewal)

    async def _process(
        self, receiver: ServiceBusReceiver, messages: Messages, renewal: LockRenewal | None
    ) -> None:
        """Run the function and settle by its outcome."""
        succeeded = False
        try:
            succeeded = await self._settings.handle(messages)
        finally:
            if renewal is not None:
                await renewal.stop()
            if not succeeded:
                await self._settle(receiver.abandon_message, messages)
            elif self._settings.auto_complete:
                await self._settle(receiver.complete_message, messages)

    async def _settle(
        self, settle: Callable[[ServiceBusReceivedMessage], Awaitable[None]], messages: Messages
    ) -> None:
        for message in messages:
            try:
                await settle(message)
            except (ServiceBusError, ValueError) as error:
                # The broker hands the message out again; the function must bear that anyway.
                _log.warning(
                    "queue %s: message %s not settled: %s",
                    self._settings.trigger.queue,
                    message.message_id,
                    error,
                    extra={"function": self._settings.function},
                )


def _renew_all(receiver: ServiceBusReceiver, messages: Messages) -> Renew:
    async def renew() -> datetime:
        return min([await receiver.renew_message_lock(message) for message in messages])

    return renew
