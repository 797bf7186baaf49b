"""The control API's JSON views of the simulator's memory."""

from collections.abc import Mapping
from urllib.parse import urlencode

from local.marketplace import shapes
from local.marketplace.deliveries import Delivery
from local.marketplace.faults import Fault
from local.marketplace.requestlog import Entry
from local.marketplace.simulator import Simulator
from local.marketplace.subscription import Subscription
from local.marketplace.usage import Recorded
from local.marketplace.wire import Malformed, loads, stamp


def _json(text: str) -> object:
    """A body as JSON where it is JSON, as text otherwise."""
    try:
        return loads(text) if text else None
    except Malformed:
        return text


def entry(item: Entry) -> dict[str, object]:
    """A logged request with its answer; ``status`` 0 means that there was none to give."""
    return {
        "number": item.number,
        "at": item.at,
        "target": item.target.value,
        "method": item.method,
        "path": item.path,
        "query": item.query,
        "requestId": item.request_id,
        "correlationId": item.correlation_id,
        "request": _json(item.request),
        "status": item.status,
        "response": _json(item.response),
        "fault": item.fault.value if item.fault else None,
        "answered": item.answered,
        "applied": item.applied,
    }


def record(item: Recorded) -> dict[str, object]:
    """An accepted usage event."""
    return {
        "usageEventId": item.id,
        "subscriptionId": item.subscription_id,
        "resourceUri": item.usage.resource_uri,
        "dimension": item.usage.dimension,
        "planId": item.usage.plan_id,
        "quantity": item.usage.quantity,
        "effectiveStartTime": stamp(item.usage.time),
        "hour": stamp(item.usage.hour),
        "receivedAt": stamp(item.received),
    }


def totals(simulator: Simulator) -> list[dict[str, object]]:
    """Accepted totals by subscription and dimension."""
    return [
        {
            "subscriptionId": subscription_id,
            "resourceUri": simulator.market.subscriptions[subscription_id].resource_uri,
            "dimension": dimension,
            "quantity": quantity,
            "events": count,
        }
        for (subscription_id, dimension), (quantity, count) in simulator.usage.totals().items()
    ]


def delivery(item: Delivery) -> dict[str, object]:
    """A webhook delivery with all its tries."""
    operation = item.notification.operation
    return {
        "number": item.number,
        "action": operation.action,
        "subscriptionId": operation.subscription_id,
        "operationId": operation.id,
        "createdAt": item.created,
        "due": item.due,
        "state": item.state.value,
        "fault": item.fault.value if item.fault else None,
        "payload": _json(item.body),
        "tries": [
            {
                "at": attempt.at,
                "status": attempt.status,
                "error": attempt.error,
                "tokenVersion": attempt.token_version,
            }
            for attempt in item.tries
        ],
    }


def fault(item: Fault) -> dict[str, object]:
    """A fault rule and how often it has struck."""
    return {
        "id": item.id,
        "kind": item.kind.value,
        "target": item.target.value,
        "count": item.count,
        "skip": item.skip,
        "probability": item.probability,
        "match": item.match,
        "seconds": item.seconds,
        "status": item.status,
        "applied": item.applied,
        "items": item.items,
        "struck": item.struck,
    }


def subscription(simulator: Simulator, item: Subscription) -> dict[str, object]:
    """A subscription as the API shows it, with what only the simulator knows."""
    publisher = simulator.market.offers[item.offer_id].publisher_id
    shape = shapes.subscription(item, publisher, simulator.options)
    history: list[Mapping[str, object]] = [
        {"since": period.since, "planId": period.plan_id} for period in item.plans
    ]
    return shape | {
        "resourceUri": item.resource_uri,
        "foreign": item.foreign,
        "activatedAt": item.activated,
        "suspendedAt": item.suspended,
        "endedAt": item.ended,
        "plans": history,
    }


def landing_page(simulator: Simulator, token: str) -> str:
    """The link a customer follows after buying: the token is URL-encoded in it."""
    base = simulator.settings.landing_url
    return f"{base}{'&' if '?' in base else '?'}{urlencode({'token': token})}"
