"""What answers and silences of Table storage mean to the services."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, HttpResponseError

from shared.domain.errors import (
    ConcurrentUpdate,
    MeteringError,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
)

BEING_DELETED = "TableBeingDeleted"
"""Azure keeps a dropped table's name for a while."""


def error_of(status: int, code: str, retry_after: str | None = None) -> MeteringError:
    """The error for a definite answer that no adapter knows what to do with."""
    answered = f"table storage answered {status} {code}".rstrip()
    if status == 429 or (status == 503 and code == "ServerBusy"):
        return Throttled(answered, _seconds(retry_after))
    if status >= 500 or status == 408 or code == BEING_DELETED:
        return Unavailable(answered)
    if status == 413:
        return TooLarge(answered)
    return ConcurrentUpdate(answered) if status == 412 else Rejected(answered, status)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the SDK's errors into those of the domain."""
    try:
        yield
    except HttpResponseError as exc:
        if exc.status_code is None:
            raise Unavailable("table storage broke off its answer") from exc
        wait = getattr(exc.response, "headers", {}).get("Retry-After")
        raise error_of(exc.status_code, code_of(exc), wait) from exc
    except AzureError as exc:
        raise Unavailable(f"table storage gave no answer: {type(exc).__name__}") from exc


def code_of(exc: HttpResponseError) -> str:
    """Azure's name for the error, empty where it gives none."""
    code = getattr(exc, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
