"""Errors on the wire: RFC 9457 problems, one status for each kind of error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    Forbidden,
    InvalidInput,
    MeteringError,
    Misconfigured,
    NotFound,
    PreconditionRequired,
    StaleVersion,
    Throttled,
    TooLarge,
    Unauthenticated,
    UpstreamFailure,
)

CONTENT_TYPE = "application/problem+json"

RETRY_AFTER = 5
"""Seconds after which a failed dependency is worth another try."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers: status, body text, headers."""

    status: int
    body: str = ""
    headers: Mapping[str, str] | None = None
    content_type: str = "application/json"


class UnsupportedMedia(InvalidInput):
    """The body is of a type that is not understood here."""

    code = "unsupported-media-type"


_STATUS: tuple[tuple[type[MeteringError], int], ...] = (
    (TooLarge, 413),
    (UnsupportedMedia, 415),
    (InvalidInput, 400),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (StaleVersion, 412),
    (PreconditionRequired, 428),
    (Conflict, 409),
    (ConcurrentUpdate, 503),
    (Misconfigured, 503),
    (UpstreamFailure, 503),
)

_TITLES = {
    400: "The request cannot be used as it is",
    401: "The caller is not known",
    403: "The caller may not do this",
    404: "There is no such thing",
    409: "This contradicts what is stored",
    412: "A newer version is stored",
    413: "The request is too large",
    428: "Say which version is to be changed",
    415: "This type of content is not understood",
    500: "Something broke here",
    503: "Try again later",
}


def problem(error: MeteringError) -> Response:
    """The response for an error that was raised on purpose."""
    status = next(s for kind, s in _STATUS if isinstance(error, kind))
    fields = error.fields if isinstance(error, InvalidInput) else ()
    errors = [{"pointer": f.pointer, "message": f.message} for f in fields]
    headers: dict[str, str] = {}
    if status == 503:
        wait = error.retry_after if isinstance(error, Throttled) else RETRY_AFTER
        headers["Retry-After"] = str(max(1, round(wait)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    detail = str(error) if status != 503 else "This cannot be done now; the cause is in the log."
    return _response(status, error.code, detail, errors, headers)


def broken() -> Response:
    """The response for a fault of ours; what happened is in the log, not in the answer."""
    return _response(500, "internal-error", "The fault is recorded.", [], {})


def _response(
    status: int, code: str, detail: str, errors: list[dict[str, str]], headers: dict[str, str]
) -> Response:
    body: dict[str, object] = {
        "type": f"urn:metering:{code}",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    text = json.dumps(body, ensure_ascii=False)
    return Response(status, text, headers, CONTENT_TYPE)
