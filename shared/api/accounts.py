"""Running totals of accounts on the wire."""

import json

from shared.api.convert import Json, to_json
from shared.api.problem import Response
from shared.domain.rating.rate import RatedPeriod
from shared.domain.rating.statement import Statement
from shared.services.queries import TotalsView


def totals_response(view: TotalsView) -> Response:
    """Running totals, and the periods, lines and charges they come from."""
    document: dict[str, Json] = {
        "account": view.account,
        "dimensions": [to_json(dimension) for dimension in view.dimensions],
    }
    document |= _statement_view(view.statement) if view.statement else {"periods": []}
    return Response(200, json.dumps(document, ensure_ascii=False))


def _statement_view(statement: Statement) -> dict[str, Json]:
    periods = [period for member in statement.members for period in member.periods]
    paid = statement.drawn.paid()
    entries = [
        {
            "kind": entry.kind,
            "account": entry.account,
            "at": entry.at,
            "description": entry.description,
            "amount": entry.amount,
            "paid": paid[place],
        }
        for place, entry in enumerate(statement.entries)
    ]
    return {
        "currency": statement.currency,
        "periods": [to_json(_period_view(period)) for period in periods],
        "entries": to_json(entries),
    }


def _period_view(period: RatedPeriod) -> dict[str, object]:
    view: dict[str, object] = {"plan": period.plan.code, "total": period.total}
    if period.bill is not None:
        view["start"] = period.bill.window.start
        view["end"] = period.bill.window.end
        view["ended"] = period.bill.ended
        view["lines"] = period.bill.lines
    return view
