"""Requests to a queue's $management node: what the SDK would never ask is answered all the same."""

import uuid
from datetime import timedelta

import pytest

from local.servicebus.codec import ARRAY_LONG, Array, Value
from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.queue import Queue, open_queue
from local.servicebus.management import ManagementNode
from local.servicebus.message import Request
from tests.local.servicebus.support import FrozenClock, RecordingConsumer, message

LIMIT = 1000


@pytest.fixture
def queue() -> Queue:
    config = QueueConfig("q", lock_duration=timedelta(seconds=30), requires_session=True)
    return open_queue(config, FrozenClock())


@pytest.fixture
def node(queue: Queue) -> ManagementNode:
    return ManagementNode(queue, LIMIT)


def ask(
    node: ManagementNode, operation: str, body: Value, caller: str | None = None
) -> tuple[Value, Value, Value]:
    """Status, error condition and body of the answer."""
    properties: dict[Value, Value] = {"operation": f"com.microsoft:{operation}"}
    if caller is not None:
        properties["associated-link-name"] = caller
    answered, reply = node.answer(Request("id", properties, body))
    return answered["statusCode"], answered.get("errorCondition"), reply


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("peek-message", None),
        ("peek-message", {}),
        ("peek-message", {"from-sequence-number": True, "message-count": 1}),
        ("renew-lock", {"lock-tokens": "none"}),
        ("renew-lock", {"lock-tokens": ["no token"]}),
        ("cancel-scheduled-message", {"sequence-numbers": ["one"]}),
        ("schedule-message", {"messages": [1]}),
        ("schedule-message", {"messages": [{"message": "text"}]}),
        ("schedule-message", {"messages": [{"message": b"\x40"}]}),
        ("update-disposition", {"disposition-status": "eaten", "lock-tokens": []}),
        ("update-disposition", {"lock-tokens": []}),
        ("get-session-state", {}),
        ("set-session-state", {"session-id": 1}),
    ],
)
def test_requests_with_missing_or_mistyped_parts_are_refused(
    node: ManagementNode, operation: str, body: Value
) -> None:
    assert ask(node, operation, body) == (400, "com.microsoft:argument-error", None)


def test_what_the_broker_cannot_do_is_said(node: ManagementNode) -> None:
    assert ask(node, "add-rule", {}) == (501, "amqp:not-implemented", None)


def test_a_scheduled_message_that_is_too_large_is_refused(node: ManagementNode) -> None:
    body: Value = {"messages": [{"message": b"x" * (LIMIT + 1)}]}
    assert ask(node, "schedule-message", body) == (400, "amqp:link:message-size-exceeded", None)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("renew-session-lock", {}),
        ("get-session-state", {}),
        ("set-session-state", {"session-state": b"x"}),
        ("receive-by-sequence-number", {"sequence-numbers": Array(ARRAY_LONG, ())}),
        ("update-disposition", {"disposition-status": "completed", "lock-tokens": []}),
    ],
)
def test_a_session_obeys_its_holder_only(
    queue: Queue, node: ManagementNode, operation: str, body: dict[Value, Value]
) -> None:
    named: Value = {**body, "session-id": "a"}
    assert ask(node, operation, named, "holder")[:2] == (410, "com.microsoft:session-lock-lost")
    queue.accept_session(RecordingConsumer("holder"), "a")
    assert ask(node, operation, named, "other")[:2] == (410, "com.microsoft:session-lock-lost")
    assert ask(node, operation, named, "holder")[0] == 200


def test_settling_without_the_lock_names_what_was_lost(node: ManagementNode, queue: Queue) -> None:
    body: dict[Value, Value] = {
        "disposition-status": "completed",
        "lock-tokens": [uuid.UUID(int=1)],
    }
    assert ask(node, "update-disposition", body)[1] == "com.microsoft:message-lock-lost"
    queue.accept_session(RecordingConsumer("holder"), "a")
    named: Value = {**body, "session-id": "a"}
    assert ask(node, "update-disposition", named)[1] == "com.microsoft:session-lock-lost"


def test_sessions_are_listed_by_the_page(queue: Queue, node: ManagementNode) -> None:
    queue.enqueue([message(session_id=name) for name in "cabd"])

    def page(skip: int) -> Value:
        reply = ask(node, "get-message-sessions", {"skip": skip, "top": 3})[2]
        return reply["sessions-ids"] if isinstance(reply, dict) else None

    assert (page(0), page(3), page(4)) == (["a", "b", "c"], ["d"], None)


def test_peeking_an_empty_queue_finds_no_content(node: ManagementNode) -> None:
    body: Value = {"from-sequence-number": 1, "message-count": 5}
    assert ask(node, "peek-message", body) == (204, None, None)
