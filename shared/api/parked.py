"""Parked and refused input on the wire."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import date

from shared.api.conditions import page_size
from shared.api.convert import body, to_json
from shared.api.problem import Response
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import AccountCode, is_code
from shared.domain.usage.event import EventKey
from shared.services.parked import BehindParked, BehindRefused, ParkedPage, ParkedQuery, Place
from shared.services.replay_parked import Replayed

PAGE = 100
MAX_PAGE = 1000


def parked_query(query: Mapping[str, str]) -> ParkedQuery:
    """What a request asks for by ``account``, ``limit`` and ``cursor``. Raises ``InvalidInput``."""
    return ParkedQuery(
        account=parked_account(query) if query.get("account") else None,
        limit=page_size(query, PAGE, MAX_PAGE),
        after=_place(query["cursor"]) if query.get("cursor") else None,
    )


def parked_account(query: Mapping[str, str]) -> AccountCode:
    """The account that a request names. Raises ``InvalidInput`` without one."""
    code = query.get("account", "")
    if not is_code(code):
        raise InvalidInput("name an account", [FieldError("/account", "must be an account code")])
    return AccountCode(code)


def parked_response(page: ParkedPage) -> Response:
    """What waits for an account or a meter, then what nobody can use; ``cursor`` asks for more."""
    document = {
        "parked": [to_json(event) for event in page.parked],
        "refused": [to_json(item) for item in page.refused],
        "cursor": None if page.after is None else _cursor(page.after),
    }
    return Response(200, json.dumps(document, ensure_ascii=False))


def replayed_response(replayed: Replayed) -> Response:
    """What became of the parked events."""
    return Response(200, body(replayed))


def dropped_response(dropped: int) -> Response:
    """How many parked events are forgotten."""
    return Response(200, body({"dropped": dropped}))


def _cursor(place: Place) -> str:
    match place:
        case BehindParked(account, (day, key)):
            parts = [account, day.isoformat(), key]
        case BehindRefused(id_):
            parts = [id_]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _place(cursor: str) -> Place:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if len(parts) == 1:
            return BehindRefused(str(parts[0]))
        account, day, key = map(str, parts)
        place = (date.fromisoformat(day), EventKey(key))
    except (ValueError, TypeError, binascii.Error) as exc:
        raise InvalidInput("cursor must be one that an answer had") from exc
    if not is_code(account):
        raise InvalidInput("cursor must be one that an answer had")
    return BehindParked(AccountCode(account), place)
