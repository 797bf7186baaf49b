"""Reads a JSON object as a domain type, with every fault of it at once."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.api.body import parse_json
from shared.domain.errors import FieldError, InvalidInput

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    """One adapter a type: making one takes longer than using it."""
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter


def read[T](kind: type[T], body: bytes) -> T:
    """A value of ``kind`` from a request body. Raises ``InvalidInput`` with JSON pointers."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise InvalidInput("the body must be a JSON object")
    try:
        value: T = _adapter(kind).validate_python(document)
    except ValidationError as exc:
        raise InvalidInput("the body cannot be used", faults_of(exc)) from exc
    return value


def faults_of(error: ValidationError, without: frozenset[str] = frozenset()) -> list[FieldError]:
    """The faults of a validation as JSON pointers; steps in ``without`` are no places."""
    return [
        FieldError(pointer([s for s in fault["loc"] if s not in without]), fault["msg"])
        for fault in error.errors()
    ]


def pointer(steps: list[int | str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
