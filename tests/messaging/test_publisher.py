"""What publishing keeps to: a fake, and Service Bus's own client on the local broker."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusReceiveMode,
)

from local.servicebus.broker import RunningBroker, running_broker
from local.servicebus.declaration import load_queues
from shared.config import Settings
from shared.domain.errors import Misconfigured, TooLarge, Unavailable
from shared.messaging.connection import Connection
from shared.messaging.publisher import MAX_BATCH, ServiceBusMessages
from shared.ports import Message, Messages
from tests.fakes.messages import FakeMessages

QUEUES = Path(__file__).parents[2] / "infra" / "bicep" / "queues.json"
PLAIN, UNREAD, SESSIONS = "usage", "metering", "lifecycle"
AT_ONCE = ServiceBusReceiveMode.RECEIVE_AND_DELETE


@dataclass(frozen=True, slots=True)
class Bus:
    """Messages, and what of them arrived in a queue, in order; of a session where it has some."""

    messages: Messages
    arrived: Callable[[str, int], list[Message]]


@pytest.fixture(scope="module")
def broker() -> Iterator[RunningBroker]:
    with running_broker(load_queues(QUEUES)) as running:
        yield running


@pytest.fixture(scope="module")
def published(broker: RunningBroker) -> Iterator[ServiceBusMessages]:
    with closing(publisher(broker.connection_string)) as messages:
        yield messages


def publisher(connection: str) -> ServiceBusMessages:
    return ServiceBusMessages(Connection(Settings(service_bus_connection=connection)))


class Inbox:
    """Takes out what arrived; the receiver of the plain queue stays open, as opening takes long."""

    def __init__(self, client: ServiceBusClient) -> None:
        self._client = client
        self._plain = client.get_queue_receiver(PLAIN, receive_mode=AT_ONCE)

    def take(self, queue: str, count: int) -> list[Message]:
        found: list[Message] = []
        while len(found) < count:
            if queue == PLAIN:
                taken = self._plain.receive_messages(count - len(found), max_wait_time=5)
            else:
                with self._client.get_queue_receiver(
                    queue, session_id=NEXT_AVAILABLE_SESSION, receive_mode=AT_ONCE
                ) as receiver:
                    taken = receiver.receive_messages(count - len(found), max_wait_time=5)
            assert taken, f"{len(found)} of {count} messages came"
            found += [Message(str(each), each.session_id, each.message_id) for each in taken]
        return found


@pytest.fixture(scope="module")
def inbox(broker: RunningBroker) -> Iterator[Inbox]:
    with ServiceBusClient.from_connection_string(broker.connection_string, retry_total=0) as client:
        yield Inbox(client)


@pytest.fixture(params=["fake", "broker"])
def bus(request: pytest.FixtureRequest) -> Bus:
    if request.param == "fake":
        fake = FakeMessages()
        return Bus(fake, lambda queue, _: fake.take(queue))
    inbox: Inbox = request.getfixturevalue("inbox")
    return Bus(request.getfixturevalue("published"), inbox.take)


def test_messages_arrive_in_order_with_their_ids(bus: Bus) -> None:
    sent = [Message(f'{{"number": {number}}}', id=f"m{number}") for number in range(30)]
    bus.messages.publish(PLAIN, sent[:1])
    bus.messages.publish(PLAIN, sent[1:])
    assert bus.arrived(PLAIN, 30) == sent


def test_text_arrives_as_it_was(bus: Bus) -> None:
    sent = [Message('{"name": "Ünïcode \\u0000 ✓"}', id="x"), Message("", id="y")]
    bus.messages.publish(PLAIN, sent)
    assert bus.arrived(PLAIN, 2) == sent


def test_sessions_are_kept_apart_and_in_order(bus: Bus) -> None:
    sent = [Message(f"{number}", session=f"s{number % 2}", id=f"m{number}") for number in range(6)]
    bus.messages.publish(SESSIONS, sent)
    arrived = bus.arrived(SESSIONS, 6)
    for session in ("s0", "s1"):
        assert [each for each in arrived if each.session == session] == [
            each for each in sent if each.session == session
        ]
    assert len(arrived) == 6


def test_nothing_to_send_is_fine(bus: Bus) -> None:
    bus.messages.publish(PLAIN, [])
    bus.messages.publish(PLAIN, [Message("after", id="a")])
    assert bus.arrived(PLAIN, 1) == [Message("after", id="a")]


def test_many_bytes_go_in_several_sends(bus: Bus) -> None:
    sent = [Message(f"{number}" + "x" * 60_000, id=f"m{number}") for number in range(12)]
    bus.messages.publish(PLAIN, sent)
    assert bus.arrived(PLAIN, 12) == sent


# --- the client of Service Bus only


def test_a_message_too_large_is_named_before_anything_is_sent(
    broker: RunningBroker, published: ServiceBusMessages
) -> None:
    small, large = Message("small"), Message("x" * MAX_BATCH)
    with pytest.raises(TooLarge):
        published.publish(UNREAD, [small, large])
    assert broker.counters(UNREAD).active == 0
    published.publish(UNREAD, [small])
    assert broker.counters(UNREAD).active == 1


def test_the_largest_message_goes(published: ServiceBusMessages, inbox: Inbox) -> None:
    sent = Message("x" * (MAX_BATCH - 1000), id="large")
    published.publish(PLAIN, [sent])
    assert inbox.take(PLAIN, 1) == [sent]


def test_a_sender_is_opened_once(published: ServiceBusMessages, inbox: Inbox) -> None:
    published.publish(PLAIN, [Message("first")])
    sender = published._senders[PLAIN]
    published.publish(PLAIN, [Message("second")])
    assert published._senders[PLAIN] is sender
    inbox.take(PLAIN, 2)


def test_threads_may_publish_at_the_same_time(published: ServiceBusMessages, inbox: Inbox) -> None:
    numbers = range(24)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: published.publish(PLAIN, [Message(str(n), id=str(n))]), numbers))
    arrived = inbox.take(PLAIN, len(numbers))
    assert {int(each.body) for each in arrived} == set(numbers)


def test_after_an_outage_the_same_publisher_goes_on() -> None:
    queues = load_queues(QUEUES)
    with running_broker(queues) as first:
        port, connection = first.port, first.connection_string
        messages = publisher(connection)
        messages.publish(PLAIN, [Message("before")])
    with pytest.raises(Unavailable):
        messages.publish(PLAIN, [Message("lost")])
    with running_broker(queues, port=port) as second, closing(messages):
        messages.publish(PLAIN, [Message("after", id="a")])
        assert second.counters(PLAIN).active == 1


def test_an_unknown_queue_is_unavailable(published: ServiceBusMessages) -> None:
    with pytest.raises(Unavailable, match="Service Bus gave no answer"):
        published.publish("no-such-queue", [Message("x")])


def test_where_nobody_listens_is_unavailable_soon() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        connection = (
            f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=n;SharedAccessKey=top-secret;"
            "UseDevelopmentEmulator=true;"
        )
        began = time.monotonic()
        with closing(publisher(connection)) as messages, pytest.raises(Unavailable) as caught:
            messages.publish(PLAIN, [Message("x")])
    assert time.monotonic() - began < 15
    assert "top-secret" not in str(caught.value)


def test_without_settings_it_says_so() -> None:
    with pytest.raises(Misconfigured, match="ServiceBus"):
        ServiceBusMessages(Connection(Settings())).publish(PLAIN, [Message("x")])
