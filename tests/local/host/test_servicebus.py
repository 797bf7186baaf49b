"""Service Bus triggers and outputs of a sample app against the local broker."""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSender

from local.servicebus.broker import RunningBroker, running_broker
from local.servicebus.entity.config import QueueConfig
from tests.local.host.support import HostProcess, started_host, wait_until

LOCK = timedelta(seconds=1.5)
QUEUES = (
    QueueConfig("one", lock_duration=LOCK, max_delivery_count=3),
    QueueConfig("many", lock_duration=LOCK),
    QueueConfig("session", lock_duration=LOCK, requires_session=True),
    QueueConfig("manual", lock_duration=timedelta(seconds=0.5), max_delivery_count=2),
)


@dataclass
class Stack:
    """A broker with the sample app before it."""

    broker: RunningBroker
    host: HostProcess
    client: ServiceBusClient
    senders: dict[str, ServiceBusSender] = field(default_factory=dict)

    def send(self, queue: str, *messages: ServiceBusMessage) -> None:
        """Send all messages in one batch."""
        if queue not in self.senders:
            self.senders[queue] = self.client.get_queue_sender(queue)
        self.senders[queue].send_messages(list(messages))

    def bodies(self, function: str) -> list[object]:
        """Bodies a function has seen so far."""
        return [row["body"] for row in self.host.rows(function=function)]

    def wait_for(self, function: str, bodies: Sequence[str]) -> None:
        """Until a function has seen exactly these, in any order."""
        wait_until(
            lambda: set(bodies) <= set(map(str, self.bodies(function))), f"{function} {bodies}"
        )

    def wait_until_settled(self, queue: str) -> None:
        """Until no message is left to hand out or locked."""

        def settled() -> bool:
            counters = self.broker.counters(queue)
            return counters.active == 0 and counters.locked == 0

        wait_until(settled, f"an empty queue {queue}")


def _environment(broker: RunningBroker, **more: str) -> Mapping[str, str]:
    prefix = "AzureFunctionsJobHost__extensions__serviceBus__"
    overrides = {f"{prefix}{name}": value for name, value in more.items()}
    return {"Bus": broker.connection_string, "ONE_QUEUE": "one", **overrides}


@contextlib.contextmanager
def _client(broker: RunningBroker, host: HostProcess) -> Iterator[Stack]:
    with ServiceBusClient.from_connection_string(broker.connection_string) as client:
        stack = Stack(broker, host, client)
        yield stack
        # Closing is mostly waiting, so all senders close at the same time.
        with ThreadPoolExecutor() as pool:
            list(pool.map(ServiceBusSender.close, stack.senders.values()))


@contextlib.contextmanager
def _stack(*arguments: str, **options: str) -> Iterator[Stack]:
    with (
        running_broker(QUEUES) as broker,
        started_host("queue_app", *arguments, env=_environment(broker, **options)) as host,
        _client(broker, host) as stack,
    ):
        yield stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with _stack() as running:
        yield running


def test_a_message_reaches_the_function_with_its_properties(stack: Stack) -> None:
    stack.send(
        "one",
        ServiceBusMessage(
            "direct",
            message_id="m-1",
            content_type="text/plain",
            application_properties={"tenant": "acme", "count": 3},
        ),
    )
    stack.wait_for("one-end", ["direct"])
    (row,) = stack.host.rows(function="one", body="direct")
    enqueued = datetime.fromisoformat(str(row.pop("enqueued")))
    assert abs(datetime.now(UTC) - enqueued) < timedelta(minutes=1)
    assert row == {
        "function": "one",
        "body": "direct",
        "id": "m-1",
        "deliveries": 1,
        "properties": {"tenant": "acme", "count": 3},
        "content_type": "text/plain",
    }
    stack.wait_until_settled("one")


def test_a_body_that_is_no_text_arrives_as_it_is(stack: Stack) -> None:
    stack.send("one", ServiceBusMessage(b"\xff\x00\xfe"))
    stack.wait_for("one-end", ["\xff\x00\xfe"])


def test_failures_are_delivered_again_and_end_in_the_dead_letter_queue(stack: Stack) -> None:
    stack.send("one", ServiceBusMessage("boom"))
    wait_until(lambda: stack.broker.counters("one").dead == 1, "a dead letter")
    deliveries = [row["deliveries"] for row in stack.host.rows(function="one", body="boom")]
    assert deliveries == [1, 2, 3]
    assert "RuntimeError: failing on purpose" in stack.host.wait_for_line("error [on_one]")


def test_as_many_runs_at_once_as_host_json_allows(stack: Stack) -> None:
    bodies = [f"slow 0.{number}" for number in range(2, 8)]
    stack.send("one", *map(ServiceBusMessage, bodies))
    stack.wait_for("one-end", bodies)
    assert stack.host.get("most-running").text == "2"
    stack.wait_until_settled("one")


def test_locks_of_messages_and_sessions_are_renewed_while_functions_work(stack: Stack) -> None:
    body = f"slow {LOCK.total_seconds() * 1.6}"
    stack.send("one", ServiceBusMessage(body))
    stack.send("session", ServiceBusMessage(body, session_id="long"))
    stack.wait_for("one-end", [body])
    stack.wait_for("session-end", [body])
    stack.wait_until_settled("one")
    stack.wait_until_settled("session")
    assert stack.bodies("one").count(body) == 1
    assert stack.bodies("session").count(body) == 1


def test_many_messages_come_in_batches_of_the_size_allowed(stack: Stack) -> None:
    sent = [
        ServiceBusMessage(
            f"b{number}", message_id=str(number), application_properties={"n": number}
        )
        for number in range(25)
    ]
    stack.send("many", *sent)
    stack.wait_until_settled("many")
    rows = stack.host.rows(function="many")
    sizes = [len(row["bodies"]) for row in rows if isinstance(row["bodies"], list)]
    assert sum(sizes) == 25
    assert max(sizes) == 10
    first = rows[0]
    assert first["bodies"] == [f"b{number}" for number in range(sizes[0])]
    assert first["ids"] == [str(number) for number in range(sizes[0])]
    assert first["deliveries"] == [1] * sizes[0]
    assert first["properties"] == [{"n": number} for number in range(sizes[0])]


def test_sessions_keep_their_order_and_let_others_come(stack: Stack) -> None:
    messages = [
        ServiceBusMessage(f"{session}{number}", session_id=session)
        for number in range(3)
        for session in "ABCD"
    ]
    stack.send("session", *messages)
    stack.wait_until_settled("session")
    for session in "ABCD":
        bodies = [row["body"] for row in stack.host.rows(function="session", session=session)]
        assert bodies == [f"{session}{number}" for number in range(3)]


def test_without_auto_complete_the_lock_runs_out(stack: Stack) -> None:
    stack.send("manual", ServiceBusMessage("kept"))
    wait_until(lambda: stack.broker.counters("manual").dead == 1, "a dead letter")
    assert stack.bodies("manual") == ["kept", "kept"]


def test_output_binding(stack: Stack) -> None:
    assert stack.host.post("send", b'{"sent": "by hand"}').status_code == 202
    stack.wait_for("one-end", ['{"sent": "by hand"}'])


def test_a_json_array_becomes_one_message_an_element(stack: Stack) -> None:
    assert stack.host.post("send", b'["first", {"n": 1}]').status_code == 202
    stack.wait_for("one-end", ["first", '{"n":1}'])


def test_an_output_that_cannot_be_sent_fails_the_run(stack: Stack) -> None:
    assert stack.host.post("send-nowhere", b"x").status_code == 500
    assert "queue missing" in stack.host.wait_for_line("error [send_nowhere]")


def test_batches_wait_for_their_minimum_and_lost_locks_are_no_disaster() -> None:
    options = {
        "minMessageBatchSize": "4",
        "maxBatchWaitTime": "00:00:10",
        "maxAutoLockRenewalDuration": "00:00:00",
    }
    with _stack("--grace", "0.1", **options) as stack:
        body = f"slow {LOCK.total_seconds() * 1.2}"
        stack.send("one", ServiceBusMessage(body), ServiceBusMessage("other"))
        stack.send("many", ServiceBusMessage("1"), ServiceBusMessage("2"))
        stack.send("many", ServiceBusMessage("3"), ServiceBusMessage("4"))
        stack.wait_until_settled("many")
        (row,) = stack.host.rows(function="many")
        assert row["bodies"] == ["1", "2", "3", "4"]
        # Without renewal the function outlives its lock: that is logged, the message comes again.
        stack.host.wait_for_line("not settled")
        stack.wait_for("one", [body, "other"])
        wait_until(lambda: stack.bodies("one").count(body) > 1, "another delivery")


def test_a_host_outlives_its_broker_and_gives_back_what_it_cannot_finish() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with contextlib.ExitStack() as stack:
        with running_broker(QUEUES, port=port) as broker:
            environment = _environment(broker)
            host = stack.enter_context(started_host("queue_app", "--grace", "1", env=environment))
            assert host.post("send", b"before").status_code == 202
            wait_until(lambda: bool(host.rows(body="before")), "a message before")
        host.wait_for_line("next try in")
        with running_broker(QUEUES, port=port) as broker, _client(broker, host) as after:
            after.send("session", ServiceBusMessage("s", session_id="1"))
            after.wait_for("session-end", ["s"])
            assert host.post("send", b"output").status_code == 202
            after.wait_for("one-end", ["output"])

            after.send("one", ServiceBusMessage("slow 0.6"), ServiceBusMessage("slow 60"))
            after.wait_for("one", ["slow 0.6", "slow 60"])
            assert host.stop() == 0
            counters = broker.counters("one")
            # The first is gone; the second was given back and is not locked any more.
            assert (counters.active, counters.locked) == (1, 0)
