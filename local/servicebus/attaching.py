"""Which link an attach asks for: the address decides, then the role."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from local.servicebus.codec import Described, Value
from local.servicebus.endpoints import (
    SESSION_FILTER,
    Answer,
    ConsumerLink,
    ProducerLink,
    ReplyLink,
    RequestLink,
)
from local.servicebus.entity.queue import Queue
from local.servicebus.faults import EntityNotFound, Fault, InvalidRequest, SessionTimeout
from local.servicebus.link import Link
from local.servicebus.management import ManagementNode, authorize
from local.servicebus.performatives import Attach
from local.servicebus.session import Session

REQUEST_LIMIT = 4 * 1024 * 1024
"""Bytes of a management request; several scheduled messages travel in one."""

_MANAGEMENT = "/$management"
_DEAD_LETTERS = "/$deadletterqueue"
_TIMEOUT = "com.microsoft:timeout"
_DEFAULT_TIMEOUT_MS = 60_000


type CallLater = Callable[[float, Callable[[], None]], object]
"""Calls a function once, so many seconds of real time from now, on the broker's loop."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """Everything that can be attached to; ``limit``: bytes of a message or batch."""

    queues: dict[str, Queue]
    limit: int
    call_later: CallLater

    def queue(self, path: str) -> Queue:
        """The queue or dead-letter queue at a path, in any case; raises ``EntityNotFound``."""
        name = path.lower()
        queue = self.queues.get(name.removesuffix(_DEAD_LETTERS))
        if queue is not None and name.endswith(_DEAD_LETTERS):
            queue = queue.dead_letters
        if queue is None:
            raise EntityNotFound(f"The messaging entity '{path}' could not be found.")
        return queue

    def attach(self, session: Session, request: Attach) -> Link:
        """The link for a request, confirmed, refused, or waiting for a messaging session."""
        try:
            path = _path(request)
            if path == "$cbs":
                return self._node_link(session, request, path, authorize)
            if path.lower().endswith(_MANAGEMENT):
                queue = self.queue(path[: -len(_MANAGEMENT)])
                node = ManagementNode(queue, self.limit)
                return self._node_link(session, request, path, node.answer)
            queue = self.queue(path)
        except Fault as fault:
            link = Link(session, request)
            link.detach(fault)
            return link
        if not request.is_receiver:
            producer = ProducerLink(session, request, queue, self.limit)
            producer.confirm()
            producer.grant()
            return producer
        consumer = ConsumerLink(session, request, queue)
        try:
            self._connect(consumer, request)
        except Fault as fault:
            consumer.detach(fault)
        return consumer

    def _node_link(self, session: Session, request: Attach, node: str, answer: Answer) -> Link:
        if request.is_receiver:
            reply = ReplyLink(session, request, node)
            reply.confirm()
            return reply
        link = RequestLink(session, request, node, answer, REQUEST_LIMIT)
        link.confirm()
        link.grant()
        return link

    def _connect(self, consumer: ConsumerLink, request: Attach) -> None:
        filters = request.source.filters if request.source is not None else {}
        if SESSION_FILTER not in filters:
            consumer.queue.attach(consumer)
            consumer.confirm()
            return
        consumer.queue.accept_session(consumer, _session_id(filters[SESSION_FILTER]))
        if consumer.session_id is None:
            milliseconds = request.properties.get(_TIMEOUT)
            if not isinstance(milliseconds, int):
                milliseconds = _DEFAULT_TIMEOUT_MS
            self.call_later(milliseconds / 1000, partial(_give_up, consumer))


def _give_up(consumer: ConsumerLink) -> None:
    if consumer.session_id is None:
        consumer.detach(SessionTimeout("No session became available in the time given."))


def _session_id(value: Value) -> str | None:
    plain = value.value if isinstance(value, Described) else value
    if plain is None or isinstance(plain, str):
        return plain
    raise InvalidRequest("A session filter must name a session or none.")


def _path(request: Attach) -> str:
    """The node's path, whether the address is a whole URI or only the path."""
    terminus = request.source if request.is_receiver else request.target
    address = (terminus.address if terminus is not None else None) or ""
    if "://" in address:
        address = address.partition("://")[2].partition("/")[2]
    return address.strip("/")
