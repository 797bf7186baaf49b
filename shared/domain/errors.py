"""The tree of errors: why a request cannot proceed, and whether trying again helps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of an input: where (a JSON pointer, ``""`` for the whole) and what is wrong."""

    pointer: str
    message: str


class MeteringError(Exception):
    """Base of every error this product raises on purpose.

    ``code`` is stable and goes to callers; ``retryable`` says whether the same request can
    succeed later without a change.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


class InvalidInput(MeteringError):
    """The input can never be used as it is; ``fields`` names every fault found."""

    code = "invalid-input"

    def __init__(self, message: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class NotFound(MeteringError):
    """What the request names does not exist."""

    code = "not-found"


class Unauthenticated(MeteringError):
    """The caller did not prove who it is."""

    code = "unauthenticated"


class Forbidden(MeteringError):
    """The caller is known and may not do this."""

    code = "forbidden"


class Conflict(MeteringError):
    """The request contradicts what is stored."""

    code = "conflict"


class DifferentPayload(Conflict):
    """The same identity was used before with other contents."""

    code = "different-payload"


class IllegalTransition(Conflict):
    """The state does not allow this change."""

    code = "illegal-transition"


class StaleVersion(Conflict):
    """The caller's ``If-Match`` names an older version than the stored one."""

    code = "stale-version"


class PreconditionRequired(MeteringError):
    """A change must name the version it is made to, so that no other change is overwritten."""

    code = "precondition-required"


class ConcurrentUpdate(MeteringError):
    """Another writer was first; reading anew and trying again is right."""

    code = "concurrent-update"
    retryable = True


class TooLarge(MeteringError):
    """More than storage takes at once, and nothing of it was stored; less at a time may fit."""

    code = "too-large"


class Misconfigured(MeteringError):
    """This installation lacks settings that it cannot work without."""

    code = "misconfigured"
    retryable = True


class UpstreamFailure(MeteringError):
    """Storage, Service Bus, Entra or the Marketplace did not do what was asked."""

    code = "upstream-failure"


class Throttled(UpstreamFailure):
    """Refused for load before anything was done; ``retry_after`` is in seconds."""

    code = "throttled"
    retryable = True

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(UpstreamFailure):
    """No usable answer: whether the request took effect is unknown."""

    code = "unavailable"
    retryable = True


class Rejected(UpstreamFailure):
    """Refused for good reasons of the other side; ``status`` is its HTTP status."""

    code = "rejected"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
