"""Reads request bodies: bounded, exact, and with a place for every fault."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import NoReturn

from shared.api.problem import UnsupportedMedia
from shared.domain.errors import FieldError, InvalidInput, TooLarge

MAX_BODY = 1024 * 1024
"""One request takes at most 1 MiB."""

JSON_TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")

_MAX_DIGITS = 40
"""A number of more digits is refused while it is read: it could only be refused later."""


def check_size(body: bytes) -> None:
    """Raises ``TooLarge`` over 1 MiB."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"the body has {len(body):,} bytes; at most {MAX_BODY:,} are taken")


def media_type(headers: Mapping[str, str]) -> str:
    """The content type in lower case, without its parameters."""
    return headers.get("content-type", "").split(";")[0].strip().lower()


def well_formed(text: str) -> bool:
    """Escapes can smuggle in half a surrogate pair, which no storage takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_json(body: bytes) -> object:
    """The body's JSON value, with exact numbers.

    Raises ``InvalidInput`` with line and column for malformed text, and for NaN, infinities,
    repeated names, numbers beyond any use and text that is not well-formed Unicode.
    """
    check_size(body)
    if not body.strip():
        raise InvalidInput("the body is empty; JSON is expected")
    try:
        text = body.decode("utf-8-sig")
        if "\\u" in text:
            _check_escapes(text)
        return _load(text)
    except UnicodeDecodeError as exc:
        raise InvalidInput("the body is not UTF-8 text") from exc
    except UnicodeEncodeError as exc:
        raise InvalidInput("the body escapes half a surrogate pair, which is no text") from exc
    except json.JSONDecodeError as exc:
        message = f"malformed JSON at line {exc.lineno}, column {exc.colno}: {exc.msg}"
        raise InvalidInput(message) from exc
    except RecursionError as exc:
        raise InvalidInput("the JSON is nested too deeply") from exc


def _check_escapes(text: str) -> None:
    """Raise UnicodeEncodeError for half a surrogate pair, which no storage and no answer takes.

    Before anything else is judged: every fault may quote the text in which it was found.
    """
    value = json.loads(text, parse_float=str, parse_int=str)
    json.dumps(value, ensure_ascii=False).encode()


def _load(text: str) -> object:
    value: object = json.loads(
        text,
        parse_float=_number,
        parse_int=_number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_object,
    )
    return value


def require_type(headers: Mapping[str, str], *known: str) -> str:
    """The request's content type. Raises ``UnsupportedMedia`` unless it is one of ``known``."""
    given = media_type(headers)
    if given not in known:
        raise UnsupportedMedia(f"send {' or '.join(known)}, not {given or 'an unnamed type'}")
    return given


def _number(text: str) -> Decimal:
    if len(text) > _MAX_DIGITS:
        raise InvalidInput(f"the number {text[:20]}… has too many digits")
    number = Decimal(text)
    if not -40 <= number.adjusted() <= 40:
        raise InvalidInput(f"the number {text} is out of any useful range")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(f"{name} is not a number that can be measured or billed")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidInput(
                    f"the name {name} stands twice in one object",
                    [FieldError("", f"the name {name} stands twice in one object")],
                )
            seen.add(name)
    return result
