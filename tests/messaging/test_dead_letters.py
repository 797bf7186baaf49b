"""Dead letters through Service Bus's own client on the local broker."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local.servicebus.broker import RunningBroker, running_broker
from local.servicebus.declaration import load_queues
from shared.config import Settings
from shared.domain.errors import NotFound
from shared.messaging.connection import Connection
from shared.messaging.dead_letters import ServiceBusDeadLetters
from shared.messaging.publisher import ServiceBusMessages
from shared.services.dead_letters import TendDeadLetters

DECLARATION = Path(__file__).parents[2] / "infra" / "bicep" / "queues.json"


@pytest.fixture
def broker() -> Iterator[RunningBroker]:
    with running_broker(load_queues(DECLARATION)) as running:
        yield running


@pytest.fixture
def tend(broker: RunningBroker) -> Iterator[TendDeadLetters]:
    connection = Connection(Settings(service_bus_connection=broker.connection_string))
    with closing(ServiceBusMessages(connection)) as messages:
        yield TendDeadLetters(ServiceBusDeadLetters(connection, messages))


def bury(client: ServiceBusClient, queue: str, bodies: list[str], session: str | None) -> None:
    """Send messages and dead-letter each of them."""
    with client.get_queue_sender(queue) as sender:
        sender.send_messages(
            [
                ServiceBusMessage(body, session_id=session, message_id=f"id-{body}")
                for body in bodies
            ]
        )
    with client.get_queue_receiver(queue, session_id=session) as receiver:
        while found := receiver.receive_messages(len(bodies), max_wait_time=1):
            for message in found:
                receiver.dead_letter_message(message, reason="bad", error_description="why")


@pytest.mark.parametrize(("queue", "session"), [("usage", None), ("lifecycle", "sub-1")])
def test_dead_letters_are_shown_and_sent_again_as_they_were(
    broker: RunningBroker, tend: TendDeadLetters, queue: str, session: str | None
) -> None:
    with ServiceBusClient.from_connection_string(broker.connection_string) as client:
        bury(client, queue, ["one", "two"], session)
        shown = tend.all()[queue]
        assert [(d.id, d.body, d.reason, d.description) for d in shown] == [
            ("id-one", "one", "bad", "why"),
            ("id-two", "two", "bad", "why"),
        ]
        assert tend.replay(queue) == 2
        assert tend.all()[queue] == []
        with client.get_queue_receiver(queue, session_id=session) as receiver:
            again = receiver.receive_messages(5, max_wait_time=2)
            assert [(str(m), m.message_id, m.session_id) for m in again] == [
                ("one", "id-one", session),
                ("two", "id-two", session),
            ]
    assert tend.replay(queue) == 0


def test_only_queues_of_the_pipeline_can_be_replayed(tend: TendDeadLetters) -> None:
    with pytest.raises(NotFound, match="usage, metering, lifecycle"):
        tend.replay("somewhere")
