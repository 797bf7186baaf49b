"""The asynchronous SDK, and many receivers at once: nothing lost, nothing doubled."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import MessageLockLostError, MessageSizeExceededError

from tests.local.servicebus.bus import BRIEF, PLAIN, SESSIONS, WAIT, Bus, LocalBus, unique

RECEIVERS = 4
MESSAGES = 200
PER_BATCH = 50


type Handler = ServiceBusSender | ServiceBusReceiver


@asynccontextmanager
async def opened(*handlers: Handler) -> AsyncIterator[None]:
    """Opens handlers at the same time and closes them so: the SDK takes a second for each."""
    await asyncio.gather(*(handler.__aenter__() for handler in handlers))
    try:
        yield
    finally:
        await asyncio.gather(*(handler.close() for handler in handlers))


def client(bus: Bus) -> ServiceBusClient:
    """A client that fails at once instead of retrying."""
    return ServiceBusClient.from_connection_string(bus.connection_string, retry_total=0)


def test_the_asynchronous_client_settles_schedules_peeks_and_is_refused(bus: Bus) -> None:
    async def scenario() -> None:
        aio = client(bus)
        sender, receiver = aio.get_queue_sender(PLAIN), aio.get_queue_receiver(PLAIN)
        async with aio, opened(sender, receiver):
            await sender.send_messages([ServiceBusMessage(name) for name in "abcd"])
            peeked = await receiver.peek_messages(10)
            assert [str(message) for message in peeked] == list("abcd")
            received = await receiver.receive_messages(4, max_wait_time=WAIT)
            assert [str(message) for message in received] == list("abcd")
            complete, abandon, defer, bury = received
            await receiver.complete_message(complete)
            await receiver.abandon_message(abandon)
            await receiver.defer_message(defer)
            await receiver.dead_letter_message(bury, reason="r", error_description="d")
            (again,) = await receiver.receive_messages(1, max_wait_time=WAIT)
            assert (str(again), again.delivery_count) == ("b", 1)
            await receiver.renew_message_lock(again)
            await receiver.complete_message(again)
            assert defer.sequence_number is not None
            (late,) = await receiver.receive_deferred_messages(defer.sequence_number)
            await receiver.complete_message(late)
            assert await receiver.peek_messages(10, sequence_number=1) == []
            with pytest.raises(MessageSizeExceededError):
                await sender.send_messages(ServiceBusMessage(b"x" * (256 * 1024 + 1)))

    asyncio.run(scenario())


def test_asynchronous_session_receivers_share_the_sessions(bus: Bus) -> None:
    sessions = [unique("s") for _ in range(3)]

    async def drain(receiver: ServiceBusReceiver, found: dict[str, list[str]]) -> None:
        for message in await receiver.receive_messages(5, max_wait_time=WAIT):
            found.setdefault(str(receiver.session.session_id), []).append(str(message))
            await receiver.complete_message(message)

    async def scenario() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        aio = client(bus)
        sender = aio.get_queue_sender(SESSIONS)
        receivers = [
            aio.get_queue_receiver(SESSIONS, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=WAIT)
            for _ in sessions
        ]
        async with aio, opened(sender):
            for session_id in sessions:
                await sender.send_messages(
                    [ServiceBusMessage(str(n), session_id=session_id) for n in range(5)]
                )
            async with opened(*receivers):
                await asyncio.gather(*(drain(receiver, found) for receiver in receivers))
        return found

    assert asyncio.run(scenario()) == {name: list("01234") for name in sessions}


def test_competing_receivers_get_every_message_exactly_once(local_bus: LocalBus) -> None:
    async def send(sender: ServiceBusSender, first: int) -> None:
        for start in range(first, MESSAGES, 2 * PER_BATCH):
            numbers = range(start, start + PER_BATCH)
            await sender.send_messages([ServiceBusMessage(str(number)) for number in numbers])

    async def work(receiver: ServiceBusReceiver, done: list[str]) -> None:
        """Abandons every seventh message at its first delivery and completes all others."""
        while len(done) < MESSAGES:
            for message in await receiver.receive_messages(20, max_wait_time=BRIEF):
                if int(str(message)) % 7 == 0 and message.delivery_count == 0:
                    await receiver.abandon_message(message)
                else:
                    await receiver.complete_message(message)
                    done.append(str(message))

    async def scenario() -> list[str]:
        done: list[str] = []
        aio = client(local_bus)
        senders = [aio.get_queue_sender(PLAIN) for _ in range(2)]
        receivers = [aio.get_queue_receiver(PLAIN) for _ in range(RECEIVERS)]
        async with aio, opened(*senders, *receivers):
            tasks = [send(sender, PER_BATCH * n) for n, sender in enumerate(senders)]
            tasks += [work(receiver, done) for receiver in receivers]
            await asyncio.wait_for(asyncio.gather(*tasks), 60)
        return done

    done = asyncio.run(scenario())
    assert Counter(done) == Counter(str(number) for number in range(MESSAGES))
    counters = local_bus.counters(PLAIN)
    assert (counters.active, counters.locked, counters.dead) == (0, 0, 0)


def test_a_receiver_that_is_too_slow_loses_to_the_next(local_bus: LocalBus) -> None:
    async def scenario() -> None:
        aio = client(local_bus)
        sender = aio.get_queue_sender(PLAIN)
        slow, quick = (aio.get_queue_receiver(PLAIN) for _ in range(2))
        async with aio, opened(sender, slow):
            await sender.send_messages(ServiceBusMessage("x"))
            (mine,) = await slow.receive_messages(max_wait_time=WAIT)
            local_bus.clock.advance(30)
            async with opened(quick):
                (theirs,) = await quick.receive_messages(max_wait_time=WAIT)
                with pytest.raises(MessageLockLostError):
                    await slow.complete_message(mine)
                await quick.complete_message(theirs)

    asyncio.run(scenario())
    assert local_bus.counters(PLAIN).active == 0
