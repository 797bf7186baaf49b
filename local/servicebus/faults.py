"""What the broker may answer instead of doing what was asked: one class an error condition."""

from typing import ClassVar


class Fault(Exception):
    """A request that cannot proceed; the connection goes on.

    ``condition`` is the symbol the SDKs map to their exception classes, ``status`` the code of a
    management answer (Microsoft: AMQP 1.0 request-response operations in Service Bus).
    """

    condition: ClassVar[str]
    status: ClassVar[int]


class LockLost(Fault):
    """The lock expired, or the message was settled before."""

    condition = "com.microsoft:message-lock-lost"
    status = 410


class SessionLockLost(Fault):
    """The session's lock expired or belongs to another receiver."""

    condition = "com.microsoft:session-lock-lost"
    status = 410


class SessionCannotBeLocked(Fault):
    """Another receiver holds the session."""

    condition = "com.microsoft:session-cannot-be-locked"
    status = 410


class SessionTimeout(Fault):
    """No session became available in the time the receiver gave."""

    condition = "com.microsoft:timeout"
    status = 408


class MessageNotFound(Fault):
    """No message with this sequence number is in the state that the request needs."""

    condition = "com.microsoft:message-not-found"
    status = 404


class MessageTooLarge(Fault):
    """The message exceeds what the link takes."""

    condition = "amqp:link:message-size-exceeded"
    status = 400


class EntityNotFound(Fault):
    """No queue of this name is declared."""

    condition = "amqp:not-found"
    status = 404


class NotAllowed(Fault):
    """The queue's declaration forbids it."""

    condition = "amqp:not-allowed"
    status = 400


class InvalidRequest(Fault):
    """A management request, or a message, with missing or mistyped parts."""

    condition = "com.microsoft:argument-error"
    status = 400


class NotSupported(Fault):
    """An operation this broker does not have."""

    condition = "amqp:not-implemented"
    status = 501
