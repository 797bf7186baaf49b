"""What requests say about versions, repetition and pages."""

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from shared.api.body import parse_json
from shared.domain.errors import FieldError, InvalidInput, PreconditionRequired
from shared.domain.money import to_text
from shared.services.account_changes import ANY, Expected, tag_of
from shared.services.account_grants import Repeatable

MAX_KEY: Final = 255
_TAG: Final = re.compile(r'"([0-9a-f]{20})"')


def etag_header(etag: str | None) -> dict[str, str]:
    """The version of an account as a header."""
    return {} if etag is None else {"ETag": f'"{tag_of(etag)}"'}


def version_sent(headers: Mapping[str, str]) -> Expected:
    """Versions that ``If-Match`` names, ``None`` without it. Raises ``InvalidInput`` for what no
    answer ever had as its ETag."""
    given = headers.get("if-match", "").strip()
    if not given:
        return None
    if given == ANY:
        return frozenset({ANY})
    found = frozenset(_TAG.findall(given))
    if not found:
        raise InvalidInput("If-Match must be the ETag of the account as it was read, or *")
    return found


def version_needed(headers: Mapping[str, str]) -> Expected:
    """As ``version_sent``; raises ``PreconditionRequired`` without the header."""
    expected = version_sent(headers)
    if expected is None:
        raise PreconditionRequired(
            "send the account's ETag in If-Match, so that nobody's change is overwritten; "
            "GET the account to learn it"
        )
    return expected


def repeatable(headers: Mapping[str, str], body: bytes) -> Repeatable:
    """What makes a request that creates money repeatable. Raises ``InvalidInput`` without it."""
    key = headers.get("idempotency-key", "").strip()
    if not 0 < len(key) <= MAX_KEY:
        raise InvalidInput(
            f"send an Idempotency-Key of 1 to {MAX_KEY} characters, a new one for each new "
            "request: with it, sending the same again gives nothing twice"
        )
    text = json.dumps(parse_json(body), sort_keys=True, default=_number)
    return Repeatable(key, hashlib.sha256(text.encode()).hexdigest())


def page_size(query: Mapping[str, str], default: int, most: int) -> int:
    """The parameter ``limit``. Raises ``InvalidInput``."""
    text = query.get("limit", str(default))
    if not re.fullmatch(r"\d{1,6}", text) or not 1 <= int(text) <= most:
        message = f"must be a number from 1 to {most}"
        raise InvalidInput(f"limit {message}", [FieldError("?limit", message)])
    return int(text)


def _number(value: object) -> str:
    if isinstance(value, Decimal):
        return to_text(value)
    raise TypeError(f"{type(value).__name__} is no part of a JSON document")
