"""The metering API: usageEvent, batchUsageEvent, usageEvents."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from local.marketplace.faults import BATCH_KINDS, FaultKind
from local.marketplace.reports import DayUsage, by_day
from local.marketplace.simulator import Simulator
from local.marketplace.usage import (
    Accepted,
    Duplicate,
    Outcome,
    Problem,
    Recorded,
    Rejected,
    Usage,
    Verdict,
    parse_usage,
)
from local.marketplace.wire import Call, Malformed, Reply, loads, parse_time, stamp

MAX_BATCH: Final = 25
_NEVER: Final = "0001-01-01T00:00:00"
_ECHOED: Final = (
    "resourceId",
    "resourceUri",
    "quantity",
    "dimension",
    "effectiveStartTime",
    "planId",
)


def usage_event(simulator: Simulator, call: Call) -> Reply:
    """POST /api/usageEvent: 200 accepted, 409 taken, 400 unusable, 403 not ours."""
    try:
        item = loads(call.body)
    except Malformed:
        return _bad_request(Problem("usageEventRequest", "The request body is not JSON."))
    match simulator.usage.submit(item, simulator.market, simulator.options, call.now):
        case Accepted(record):
            return Reply(200, _message(record, "Accepted"))
        case Duplicate(record):
            return Reply(409, _conflict(record))
        case Rejected(Verdict.NOT_AUTHORIZED, problems):
            return Reply(403, {"code": "Forbidden", "message": problems[0].message})
        case Rejected(_, problems):
            return _bad_request(*problems)


def batch_usage_event(simulator: Simulator, call: Call) -> Reply:
    """POST /api/batchUsageEvent: 200 with a status for every item, 400 above 25.

    An empty batch is answered 400 as well: the documentation does not speak of it.
    """
    try:
        body = loads(call.body)
    except Malformed:
        return _bad_request(Problem("batchUsageEventRequest", "The request body is not JSON."))
    items = body.get("request") if isinstance(body, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH:
        message = f"The request must hold 1 to {MAX_BATCH} usage events."
        return _bad_request(Problem("request", message))
    simulator.batches += 1
    fault = call.fault if call.fault and call.fault.kind in BATCH_KINDS else None
    healthy = len(items) - (fault.items if fault else 0)
    answered: list[object] = []
    for index, item in enumerate(items):
        if index < healthy or fault is None:
            answered.append(_item(simulator, call, item, index))
            continue
        if fault.applied:
            simulator.usage.submit(item, simulator.market, simulator.options, call.now)
        if fault.kind is FaultKind.ITEM_ERROR:
            problem = Problem("usageEventRequest", "The usage event could not be processed.")
            answered.append(_rejected(item, Rejected(Verdict.ERROR, (problem,))))
    if simulator.options.vary_batches and simulator.batches % 2 == 0:
        answered.reverse()
    return Reply(200, {"count": len(answered), "result": answered})


def usage_events(simulator: Simulator, call: Call) -> Reply:
    """GET /api/usageEvents: a bare array, one row a day, resource, dimension and plan."""
    query = {name.lower(): value for name, value in call.query.items()}
    try:
        first = parse_time(query.get("usagestartdate", ""))
        last = parse_time(query["usageenddate"]) if "usageenddate" in query else call.now
    except Malformed:
        return _bad_request(Problem("usageStartDate", "usageStartDate is a required ISO date."))
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = by_day(simulator.usage, simulator.options, simulator.rulings, call.now)
    shapes = [_row(simulator, row) for row in rows if day <= row.key.day <= last]
    return Reply(200, [shape for shape in shapes if _wanted(shape, query)])


def _item(simulator: Simulator, call: Call, item: object, index: int) -> dict[str, object]:
    outcome = simulator.usage.submit(item, simulator.market, simulator.options, call.now)
    shape = _outcome(item, outcome)
    if simulator.options.vary_batches:
        usage = parse_usage(item)
        if isinstance(usage, Usage):
            shape["effectiveStartTime"] = _varied(usage, simulator.batches + index)
    return shape


def _varied(usage: Usage, turn: int) -> str:
    """As it was sent, with Z, without Z: in turn."""
    if turn % 3 == 0:
        return usage.time_text
    return stamp(usage.time, zone=turn % 3 == 1)


def _outcome(item: object, outcome: Outcome) -> dict[str, object]:
    match outcome:
        case Accepted(record):
            return _message(record, "Accepted")
        case Duplicate(record):
            return {
                "status": "Duplicate",
                "messageTime": _NEVER,
                "error": _conflict(record),
                **_echo(item),
            }
        case Rejected():
            return _rejected(item, outcome)


def _rejected(item: object, outcome: Rejected) -> dict[str, object]:
    return {
        "status": outcome.verdict.value,
        "messageTime": _NEVER,
        "error": _error(outcome.problems, outcome.verdict.value),
        **_echo(item),
    }


def _echo(item: object) -> dict[str, object]:
    if not isinstance(item, dict):
        return {}
    shape = {name: item[name] for name in _ECHOED if name in item}
    quantity = shape.get("quantity")
    if isinstance(quantity, int) and not isinstance(quantity, bool):
        shape["quantity"] = Decimal(quantity)
    return shape


def _message(record: Recorded, status: str) -> dict[str, object]:
    usage = record.usage
    resource: dict[str, object] = (
        {"resourceId": usage.resource_id}
        if usage.resource_uri is None
        else {"resourceUri": usage.resource_uri}
    )
    return {
        "usageEventId": record.id,
        "status": status,
        "messageTime": stamp(record.received),
        **resource,
        "quantity": usage.quantity,
        "dimension": usage.dimension,
        "effectiveStartTime": usage.time_text,
        "planId": usage.plan_id,
    }


def _conflict(record: Recorded) -> dict[str, object]:
    return {
        "additionalInfo": {"acceptedMessage": _message(record, "Duplicate")},
        "message": "This usage event already exist.",
        "code": "Conflict",
    }


def _error(problems: tuple[Problem, ...], code: str) -> dict[str, object]:
    return {
        "message": "One or more errors have occurred.",
        "target": "usageEventRequest",
        "details": [
            {"message": problem.message, "target": problem.target, "code": code}
            for problem in problems
        ],
        "code": code,
    }


def _bad_request(*problems: Problem) -> Reply:
    return Reply(400, _error(problems, "BadArgument"))


def _row(simulator: Simulator, row: DayUsage) -> dict[str, object]:
    """Names are known to the reports only once usage was matched."""
    subscription = simulator.market.subscriptions[row.key.subscription_id]
    offer = simulator.market.offers[subscription.offer_id]
    plan = offer.plan(row.key.plan_id)
    matched = row.recon_status in ("Accepted", "Mismatch")
    return {
        "usageDate": row.key.day,
        "usageResourceId": subscription.id,
        "dimension": row.key.dimension,
        "planId": row.key.plan_id,
        "planName": plan.name if plan and matched else "",
        "offerId": offer.id,
        "offerName": offer.name if matched else "",
        "offerType": offer.kind.value,
        "azureSubscriptionId": subscription.azure_subscription_id,
        "reconStatus": row.recon_status,
        "submittedQuantity": row.submitted,
        "processedQuantity": row.processed,
        "submittedCount": row.count,
    }


def _wanted(shape: Mapping[str, object], query: Mapping[str, str]) -> bool:
    filters = ("offerId", "planId", "dimension", "azureSubscriptionId", "reconStatus")
    return all(shape[name] == query.get(name.lower(), shape[name]) for name in filters)
