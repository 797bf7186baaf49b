"""The $management node of a queue: everything that is no plain sending, receiving or settling.

Names and types of the operations: Microsoft, "AMQP 1.0 in Azure Service Bus: request-response-based
operations".
"""

from collections.abc import Callable

from local.servicebus.arguments import Arguments
from local.servicebus.codec import ARRAY_LONG, ARRAY_TIMESTAMP, Array, Int, Symbol, Value
from local.servicebus.entity.queue import Queue
from local.servicebus.entity.stored import Abandon, Complete, DeadLetter, Defer, Settlement
from local.servicebus.faults import (
    Fault,
    InvalidRequest,
    MessageTooLarge,
    NotSupported,
    SessionLockLost,
)
from local.servicebus.message import Message, Request, parse_message
from local.servicebus.rendering import render, timestamp

_PREFIX = "com.microsoft:"
_NO_FILTER = 253_402_300_800_000
"""Milliseconds of .NET's last moment: "sessions changed after it" asks for all sessions."""

type Body = dict[Value, Value]


def status(code: int, text: str, condition: str | None = None) -> Body:
    """Properties of a reply; both spellings, since $management and $cbs read different ones."""
    properties: Body = {
        "statusCode": Int(code),
        "statusDescription": text,
        "status-code": Int(code),
        "status-description": text,
    }
    if condition is not None:
        properties["errorCondition"] = Symbol(condition)
    return properties


def authorize(_: Request) -> tuple[Body, Value]:
    """The $cbs node: every token is good enough on loopback."""
    return status(202, "Accepted"), None


class ManagementNode:
    """Answers the requests about one queue; messages are limited to ``limit`` bytes."""

    def __init__(self, queue: Queue, limit: int) -> None:
        self._queue = queue
        self._limit = limit
        self._operations: dict[str, Callable[[Arguments], Body | None]] = {
            "renew-lock": self._renew_lock,
            "schedule-message": self._schedule,
            "cancel-scheduled-message": self._cancel,
            "peek-message": self._peek,
            "receive-by-sequence-number": self._receive_deferred,
            "update-disposition": self._settle,
            "renew-session-lock": self._renew_session,
            "get-session-state": self._get_session_state,
            "set-session-state": self._set_session_state,
            "get-message-sessions": self._list_sessions,
        }

    def answer(self, request: Request) -> tuple[Body, Value]:
        """Properties and body of the reply. Faults become status codes; nothing is raised."""
        try:
            body = self._act(request)
        except Fault as fault:
            return status(fault.status, str(fault), fault.condition), None
        return (status(204, "No content") if body is None else status(200, "OK")), body

    def _act(self, request: Request) -> Body | None:
        operation = str(request.properties.get("operation"))
        act = self._operations.get(operation.removeprefix(_PREFIX))
        if act is None:
            raise NotSupported(f"The operation '{operation}' is not supported.")
        if not isinstance(request.body, dict):
            raise InvalidRequest("The body of a request must be a map.")
        caller = request.properties.get("associated-link-name")
        return act(Arguments(request.body, caller if isinstance(caller, str) else None))

    def _held_session(self, arguments: Arguments) -> str | None:
        """The session a request names; raises ``SessionLockLost`` when another receiver has it."""
        session_id = arguments.optional_text("session-id")
        if session_id is None:
            return None
        holder = self._queue.session_table().held(session_id).holder
        if arguments.caller not in (None, holder.name):
            raise SessionLockLost(f"Another receiver has locked session '{session_id}'.")
        return session_id

    def _required_session(self, arguments: Arguments) -> str:
        session_id = self._held_session(arguments)
        if session_id is None:
            raise InvalidRequest("'session-id' is required.")
        return session_id

    def _renew_lock(self, arguments: Arguments) -> Body:
        ends = tuple(timestamp(self._queue.renew(token)) for token in arguments.tokens())
        return {"expirations": Array(ARRAY_TIMESTAMP, ends)}

    def _schedule(self, arguments: Arguments) -> Body:
        contents = [self._message(item) for item in arguments.maps("messages")]
        numbers = tuple(self._queue.enqueue(contents))
        return {"sequence-numbers": Array(ARRAY_LONG, numbers)}

    def _message(self, item: Arguments) -> Message:
        data = item.optional_binary("message") or b""
        if len(data) > self._limit:
            raise MessageTooLarge(f"The message exceeds the {self._limit} bytes allowed.")
        return parse_message(data)

    def _cancel(self, arguments: Arguments) -> Body:
        self._queue.cancel(arguments.integers("sequence-numbers"))
        return {}

    def _peek(self, arguments: Arguments) -> Body | None:
        found = self._queue.peek(
            arguments.integer("from-sequence-number"),
            max(arguments.integer("message-count"), 0),
            arguments.optional_text("session-id"),
        )
        messages: list[Value] = [{"message": render(self._queue, message)} for message in found]
        return {"messages": messages} if messages else None

    def _receive_deferred(self, arguments: Arguments) -> Body:
        handed_out = self._queue.receive_deferred(
            arguments.integers("sequence-numbers"),
            self._held_session(arguments),
            lock=arguments.integer("receiver-settle-mode", 1) != 0,
        )
        messages: list[Value] = []
        for message, locked in handed_out:
            entry: Body = {"message": render(self._queue, message)}
            if locked is not None:
                entry["lock-token"] = locked.token
            messages.append(entry)
        return {"messages": messages}

    def _settle(self, arguments: Arguments) -> Body:
        settlement = _settlement(arguments)
        session_id = self._held_session(arguments)
        for token in arguments.tokens():
            self._queue.settle(token, settlement, session_id)
        return {}

    def _renew_session(self, arguments: Arguments) -> Body:
        until = self._queue.renew_session(self._required_session(arguments))
        return {"expiration": timestamp(until)}

    def _get_session_state(self, arguments: Arguments) -> Body:
        session_id = self._required_session(arguments)
        return {"session-state": self._queue.session_table().state(session_id)}

    def _set_session_state(self, arguments: Arguments) -> Body:
        session_id = self._required_session(arguments)
        self._queue.set_session_state(session_id, arguments.optional_binary("session-state"))
        return {}

    def _list_sessions(self, arguments: Arguments) -> Body | None:
        after = arguments.integer("last-updated-time", _NO_FILTER)
        ids = self._queue.session_ids(None if after >= _NO_FILTER else after / 1000)
        skip, top = (max(arguments.integer(name), 0) for name in ("skip", "top"))
        page: list[Value] = list(ids[skip : skip + top])
        return {"skip": Int(skip), "sessions-ids": page} if page else None


def _settlement(arguments: Arguments) -> Settlement:
    match arguments.text("disposition-status"):
        case "completed":
            return Complete()
        case "abandoned":
            return Abandon()
        case "defered":
            return Defer()
        case "suspended":
            return DeadLetter(
                arguments.optional_text("deadletter-reason"),
                arguments.optional_text("deadletter-description"),
            )
        case other:
            raise InvalidRequest(f"The disposition '{other}' is not known.")
