"""The four kinds of links: senders and receivers of a queue, requests and replies of a node."""

import uuid
from collections import deque
from collections.abc import Callable
from typing import Protocol

from local.servicebus.codec import Symbol, Value
from local.servicebus.entity.queue import Queue
from local.servicebus.entity.stored import Locked, StoredMessage
from local.servicebus.faults import SessionLockLost
from local.servicebus.link import IncomingLink, OutgoingLink, SessionPort
from local.servicebus.message import (
    BATCH_FORMAT,
    Request,
    parse_message,
    parse_request,
    render_reply,
    split_batch,
)
from local.servicebus.performatives import SENDER_SETTLES, Attach
from local.servicebus.rendering import render, ticks

SESSION_FILTER = Symbol("com.microsoft:session-filter")
_SESSION_LOCKED_UNTIL = Symbol("com.microsoft:locked-until-utc")


class DeliverySession(SessionPort, Protocol):
    """What receivers need of their session besides."""

    def await_settlement(self, delivery_id: int, link: "ConsumerLink", token: uuid.UUID) -> None:
        """Remember what the peer is going to settle."""

    def forget(self, link: "ConsumerLink") -> None:
        """The link is gone; its deliveries are settled by their tokens or not at all."""


class ReplyingSession(SessionPort, Protocol):
    """What request links need of their session besides."""

    def reply_link(self, node: str) -> "ReplyLink | None":
        """The link on which the peer awaits the answers of a node."""


class ProducerLink(IncomingLink):
    """A sender of messages to a queue."""

    def __init__(self, session: SessionPort, request: Attach, queue: Queue, limit: int) -> None:
        super().__init__(session, request, limit)
        self._queue = queue

    def accept(self, data: bytes, message_format: int) -> None:
        """Enqueue a message, or every message of a batch."""
        encoded = split_batch(data) if message_format == BATCH_FORMAT else [data]
        self._queue.enqueue([parse_message(message) for message in encoded])


class ConsumerLink(OutgoingLink):
    """A receiver of a queue's messages; an ``entity.stored.Consumer``."""

    def __init__(self, session: DeliverySession, request: Attach, queue: Queue) -> None:
        super().__init__(session, request)
        self.queue = queue
        self.receive_and_delete = request.sender_settle_mode == SENDER_SETTLES
        self.session_id: str | None = None
        self._deliveries = session

    @property
    def ready(self) -> bool:
        """One more message may be delivered now."""
        return self.credit > 0 and not self.closed and not self.session.congested

    def deliver(self, message: StoredMessage, locked: Locked | None) -> None:
        """Send a message; the tag of a locked one is its token, as .NET writes GUIDs."""
        tag = locked.token.bytes_le if locked is not None else None
        delivery_id = self.send(render(self.queue, message), tag)
        if locked is not None:
            self._deliveries.await_settlement(delivery_id, self, locked.token)

    def session_granted(self, session_id: str, until: float) -> None:
        """Tell the peer which session it got; only now the link is attached."""
        self.session_id = session_id
        source = self._request.source
        confirmed = source.with_filters({SESSION_FILTER: session_id}) if source else None
        self.confirm(confirmed, {_SESSION_LOCKED_UNTIL: ticks(until)})

    def session_lost(self) -> None:
        """The session's lock expired."""
        self.detach(SessionLockLost(f"The lock on session '{self.session_id}' has expired."))

    def on_credit(self) -> None:
        """Let the queue use the credit."""
        if self.ready:
            self.queue.advance()

    def close(self) -> None:
        """Leave the queue."""
        super().close()
        self._deliveries.forget(self)
        self.queue.detach(self)


type Answer = Callable[[Request], tuple[dict[Value, Value], Value]]
"""A node's logic: properties and body of the reply to a request. It raises nothing."""


class RequestLink(IncomingLink):
    """Requests to a node; the answers go out on the reply link of the same session."""

    def __init__(
        self, session: ReplyingSession, request: Attach, node: str, answer: Answer, limit: int
    ) -> None:
        super().__init__(session, request, limit)
        self._replies = session
        self._node = node
        self._answer = answer

    def accept(self, data: bytes, message_format: int) -> None:  # noqa: ARG002 - base signature
        """Answer a request; without a reply link there is nobody to tell."""
        request = parse_request(data)
        properties, body = self._answer(request)
        link = self._replies.reply_link(self._node)
        if link is not None:
            link.reply(render_reply(request.message_id, properties, body))


class ReplyLink(OutgoingLink):
    """Answers of a node."""

    def __init__(self, session: SessionPort, request: Attach, node: str) -> None:
        super().__init__(session, request)
        self.node = node
        self._waiting: deque[bytes] = deque()

    def reply(self, payload: bytes) -> None:
        """Send an answer as soon as there is credit."""
        self._waiting.append(payload)
        self.on_credit()

    def on_credit(self) -> None:
        """Send what waits."""
        while self._waiting and self.credit > 0:
            self.send(self._waiting.popleft(), None)
