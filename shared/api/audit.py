"""The audit trail on the wire."""

import base64
import binascii
import json
from datetime import datetime

from shared.api.conditions import page_size
from shared.api.convert import body, parse_time, time_text
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.errors import InvalidInput
from shared.services.trail import Place, TrailPage, TrailQuery

PAGE = 100
MAX_PAGE = 1000


def trail_query(request: Request) -> TrailQuery:
    """Which entries a request asks for. Raises ``InvalidInput``."""
    query = request.query
    return TrailQuery(
        since=_time(query.get("since"), "since"),
        until=_time(query.get("until"), "until"),
        subject=query.get("subject"),
        actor=query.get("actor"),
        action=query.get("action", ""),
        limit=page_size(query, PAGE, MAX_PAGE),
        after=_place(query["cursor"]) if query.get("cursor") else None,
    )


def trail_response(page: TrailPage) -> Response:
    """Entries, newest first; ``cursor`` asks for older ones."""
    cursor = None if page.after is None else _cursor(page.after)
    return Response(200, body({"entries": page.entries, "cursor": cursor}))


def _time(text: str | None, name: str) -> datetime | None:
    return parse_time(text, name) if text else None


def _cursor(place: Place) -> str:
    text = json.dumps([time_text(place.at), place.seen])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _place(cursor: str) -> Place:
    try:
        at, seen = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return Place(parse_time(at, "cursor"), int(seen))
    except (ValueError, TypeError, binascii.Error) as exc:
        raise InvalidInput("cursor must be one that an answer had") from exc
