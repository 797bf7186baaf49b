"""Bills, simulations and explanations on the wire: JSON, and CSV that no spreadsheet runs."""

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import islice
from typing import ClassVar

from shared.api.body import require_type
from shared.api.conditions import page_size
from shared.api.convert import Json, body, time_text, to_json
from shared.api.objects import read
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import AccountCode
from shared.domain.money import ZERO, to_text
from shared.domain.period import Frequency
from shared.domain.rating.account_bill import Bill, BillLine, BillStatus, account_of_bill
from shared.domain.rating.unit_lines import UnitLine
from shared.domain.wire import WIRE, camel
from shared.ports import BillJob
from shared.services.bills import ManageBills, Wanted
from shared.services.run_bills import RunBills
from shared.services.simulate import Simulate, Supposition

PAGE = 50
MAX_PAGE = 200
CSV_COLUMNS = (
    "bill", "number", "status", "account", "plan", "product", "kind", "description", "segment",
    "start", "end", "quantity", "unit", "currency", "before", "paid", "after",
)  # fmt: skip

_ID = re.compile(r".{1,64}\.\d{12}\.\d{12}")
_RUNNABLE = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What spreadsheets take for the beginning of a formula."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Which bills to make: of ``account`` at once, of all accounts as a job."""

    __pydantic_config__: ClassVar = WIRE

    account: AccountCode | None = None
    frequency: Frequency | None = None
    until: datetime | None = None


def bill_view(bill: Bill, *, lines: bool = True) -> dict[str, Json]:
    """A bill; without its lines in lists."""
    view: dict[str, object] = {
        "id": bill.id,
        "number": bill.number or None,
        "status": bill.status,
        "account": bill.account,
        "period": bill.period,
        "date": bill.period.end.date(),
        "timeZone": bill.zone,
        "currency": bill.currency,
        "ended": bill.ended,
        "gross": bill.gross,
        "paid": bill.gross - bill.total,
        "total": bill.total,
        "marketplace": bill.due,
        "accounts": bill.by_account(),
        "changed": bill.changed,
        "by": bill.by or None,
    }
    if lines:
        view["lines"] = [line_view(line) for line in bill.lines]
        view["payments"] = bill.payments
        view["units"] = bill.units
    return {name: to_json(value) for name, value in view.items()}


def line_view(line: BillLine) -> dict[str, object]:
    """A line with what is left to pay of it."""
    named = {camel(f.name): getattr(line, f.name) for f in fields(line)}
    return {**named, "after": line.after}


def shown(bill: Bill, request: Request) -> Bill:
    """The bill with all lines of children, or with ``children=summary`` one line for each child.

    Raises ``InvalidInput`` for another value.
    """
    match request.query.get("children", "breakdown"):
        case "breakdown":
            return bill
        case "summary":
            return bill.summarized()
        case _:
            message = "must be breakdown or summary"
            raise InvalidInput(f"children {message}", [FieldError("?children", message)])


def bill_response(bill: Bill) -> Response:
    """One bill."""
    return Response(200, json.dumps(bill_view(bill), ensure_ascii=False))


def bills_response(bills: Iterable[Bill], *, lines: bool = True) -> Response:
    """Some bills whole."""
    views = [bill_view(bill, lines=lines) for bill in bills]
    return Response(200, json.dumps({"bills": views}, ensure_ascii=False))


def page_response(manage: ManageBills, request: Request) -> Response:
    """Bills page by page, newest period first; ``cursor`` asks for the next ones.

    Raises ``InvalidInput`` for parameters that cannot be used.
    """
    query = request.query
    status = query.get("status", "").upper()
    if status and status not in BillStatus.__members__:
        message = f"must be one of {', '.join(BillStatus)}"
        raise InvalidInput(f"status {message}", [FieldError("?status", message)])
    limit, cursor = page_size(query, PAGE, MAX_PAGE), query.get("cursor", "")
    if cursor and _ID.fullmatch(cursor) is None:
        message = "is not one that a page of bills gave"
        raise InvalidInput(f"the cursor {message}", [FieldError("?cursor", message)])
    wanted = BillStatus(status) if status else None
    found = list(islice(manage.find(account_asked(request), wanted, cursor), limit + 1))
    some = [shown(bill, request) for bill in found[:limit]]
    if query.get("format") == "csv":
        return csv_response(some, "bills.csv")
    more = some[-1].id if len(found) > limit else None
    document = {"bills": [bill_view(bill, lines=False) for bill in some], "cursor": more}
    return Response(200, json.dumps(document, ensure_ascii=False))


def csv_response(bills: Iterable[Bill], name: str) -> Response:
    """Every line of some bills, one a row."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for bill in bills:
        for line in bill.lines:
            writer.writerow([_safe(value) for value in _row(bill, line)])
        for unit in bill.units:
            if unit.units:
                writer.writerow([_safe(value) for value in _unit_row(bill, unit)])
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(200, text.getvalue(), headers, "text/csv")


def _row(bill: Bill, line: BillLine) -> tuple[str, ...]:
    return (
        bill.id,
        bill.number,
        bill.status,
        line.account,
        line.plan,
        line.product or "",
        line.kind,
        line.description,
        line.segment,
        time_text(line.period.start),
        time_text(line.period.end),
        to_text(line.quantity) if line.quantity is not None else "",
        line.unit,
        bill.currency,
        to_text(line.before),
        to_text(line.paid),
        to_text(line.after),
    )


def _unit_row(bill: Bill, line: UnitLine) -> tuple[str, ...]:
    return (
        *(bill.id, bill.number, bill.status, line.account, line.plan, "", "UNITS"),
        *(line.description, "", time_text(line.period.start), time_text(line.period.end)),
        *(to_text(line.units), line.dimension, "", "", "", ""),
    )


def _safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if not text.startswith(_RUNNABLE) or text.lstrip("-").replace(".", "", 1).isdigit():
        return text
    return f"'{text}"


def account_asked(request: Request) -> AccountCode | None:
    """The account whose bills a request asks for; ``None``: those of all."""
    return AccountCode(request.query["account"]) if request.query.get("account") else None


def account_billed(request: Request) -> AccountCode:
    """The account that the bill of the path belongs to."""
    return account_of_bill(request.route["id"])


def act(manage: ManageBills, request: Request, by: str) -> Bill:
    """Do with a bill what the path says."""
    match request.route["id"], request.route["action"]:
        case id_, "approve":
            return manage.approve(id_, by)
        case id_, "lock":
            return manage.lock(id_, by)
        case id_, _:
            return manage.recalculate(id_)


def wants(request: Request) -> str:
    """Which form of a bill a request asks for: ``json``, ``csv`` or ``html``."""
    asked = request.query.get("format", "").lower()
    if asked in ("json", "csv", "html"):
        return asked
    accepted = request.headers.get("accept", "")
    if "text/html" in accepted:
        return "html"
    return "csv" if "text/csv" in accepted else "json"


def run_response(manage: ManageBills, run: RunBills, request: Request, now: datetime) -> Response:
    """Make bills: of one account now, of all as a job whose progress can be asked for."""
    order = RunOrder()
    if request.body.strip():
        require_type(request.headers, "application/json")
        order = read(RunOrder, request.body)
    if order.until is not None and order.until.tzinfo is None:
        message = "must name its zone, such as Z"
        raise InvalidInput(f"until {message}", [FieldError("/until", message)])
    wanted = Wanted(order.until or now, order.frequency)
    if order.account is not None:
        return bills_response(manage.make(order.account, wanted), lines=False)
    job = run.start(wanted)
    return Response(202, body({"job": job}), {"Location": f"/api/bills/jobs/{job}"})


def job_response(jobs: Iterable[BillJob]) -> Response:
    """How far a job is."""
    parts = list(jobs)
    finished = [part.finished for part in parts if part.finished is not None]
    document = {
        "job": parts[0].id,
        "started": min(part.started for part in parts),
        "finished": max(finished) if len(finished) == len(parts) else None,
        "shards": {"done": len(finished), "of": len(parts)},
        "accounts": {"done": sum(p.done for p in parts), "of": sum(p.accounts for p in parts)},
        "bills": sum(part.bills for part in parts),
        "failed": {code: why for part in parts for code, why in part.failed.items()},
    }
    return Response(200, body(document))


def simulation_response(simulate: Simulate, request: Request) -> Response:
    """The bills that a supposition makes, and what they add up to."""
    require_type(request.headers, "application/json")
    bills = simulate(read(Supposition, request.body))
    document: dict[str, Json] = {
        "currency": bills[0].currency if bills else None,
        "total": to_text(sum((bill.total for bill in bills), ZERO)),
        "bills": [bill_view(bill) for bill in bills],
    }
    return Response(200, json.dumps(document, ensure_ascii=False))
