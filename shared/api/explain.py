"""Explanations on the wire: from what was sent to lines, hours and events, each with its way on."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from shared.api.bills import MAX_PAGE, PAGE, bill_view, line_view
from shared.api.conditions import page_size
from shared.api.convert import Json, body, parse_time, time_text, to_json
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import AccountCode, MeterCode
from shared.domain.period import Period
from shared.domain.rating.account_bill import Bill, BillLine
from shared.services.explain import Explain, Hour


def story_response(explain: Explain, code: str) -> Response:
    """What was sent for an account, what each bill adds to it, and the open bills with lines."""
    story = explain.story(AccountCode(code))
    document: dict[str, Json] = {
        "account": story.account,
        "dimensions": to_json(story.dimensions),
        "locked": [{"bill": name, "link": f"/api/bills/{name}"} for name in story.locked],
        "bills": [_bill_view(bill) for bill in story.bills],
    }
    return Response(200, json.dumps(document, ensure_ascii=False))


def _bill_view(bill: Bill) -> dict[str, Json]:
    """A bill whose lines lead on to the hours that they are made of."""
    lines = [{**line_view(line), "hours": _ways(line)} for line in bill.lines]
    return {**bill_view(bill), "lines": to_json(lines)}


def _ways(line: BillLine) -> list[str]:
    meters = sorted({source.meter for source in line.sources})
    return [_link(line.account, "hours", _span(line) | {"meter": meter}) for meter in meters]


def _span(line: BillLine) -> dict[str, str]:
    return {"from": time_text(line.period.start), "until": time_text(line.period.end)}


def _link(account: AccountCode, what: str, query: Mapping[str, str]) -> str:
    return f"/api/accounts/{account}/explain/{what}?{urlencode(query)}"


def hours_response(explain: Explain, code: str, request: Request) -> Response:
    """Hours of usage between ``from`` and ``until``, of a ``meter`` or of all. Raises
    ``InvalidInput``."""
    query = request.query
    start = parse_time(query.get("from", ""), "from")
    until = parse_time(query.get("until", ""), "until")
    if until <= start:
        raise InvalidInput("until must be after from", [FieldError("?until", "is not after from")])
    limit = page_size(query, PAGE, MAX_PAGE)
    meter = MeterCode(query["meter"]) if query.get("meter") else None
    page = explain.hours(
        AccountCode(code), Period(start, until), meter, query.get("cursor", ""), limit
    )
    hours = [_hour_view(hour) for hour in page.items]
    return Response(200, body({"hours": hours, "cursor": page.after}))


def _hour_view(hour: Hour) -> dict[str, object]:
    cell = {"hour": time_text(hour.start), "meter": hour.meter, "segment": hour.segment}
    return {
        "start": hour.start,
        "meter": hour.meter,
        "segment": hour.segment,
        "events": hour.partial.events,
        "link": _link(hour.account, "events", cell),
        "fields": {
            name: {
                "count": stats.count,
                "sum": stats.total,
                "least": stats.least,
                "greatest": stats.greatest,
                "different": len(stats.distinct.digests) if stats.distinct else None,
            }
            for name, stats in hour.partial.fields.items()
        },
    }


def events_response(explain: Explain, code: str, request: Request) -> Response:
    """Events of the hour that begins at ``hour`` and of a ``meter``, of one ``segment`` of it or
    of all. Raises ``InvalidInput``."""
    query = request.query
    hour, meter = parse_time(query.get("hour", ""), "hour"), MeterCode(query.get("meter", ""))
    limit = page_size(query, PAGE, MAX_PAGE)
    page = explain.events(
        AccountCode(code), meter, hour, query.get("segment"), query.get("cursor", ""), limit
    )
    return Response(200, body({"events": page.items, "cursor": page.after}))
