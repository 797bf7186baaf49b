"""The SaaS fulfillment API: subscriptions and operations."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final
from urllib.parse import quote, urlencode

from local.marketplace import shapes
from local.marketplace.register import PUBLISHER, Kind, Refused
from local.marketplace.simulator import Simulator
from local.marketplace.subscription import Action, Operation, Subscription
from local.marketplace.wire import API_VERSION, Call, Malformed, Reply, load_object

PAGE: Final = 100
BASE: Final = "/api/saas/subscriptions"
STATUS: Final = {
    Kind.INVALID: 400,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
}

type Handler = Callable[[Simulator, Call], Reply]


def refusable(handler: Handler) -> Handler:
    """Turn a refusal into its documented status, an unreadable body into 400."""

    def answered(simulator: Simulator, call: Call) -> Reply:
        try:
            return handler(simulator, call)
        except Refused as refusal:
            return error(STATUS[refusal.kind], refusal.kind.value, str(refusal))
        except Malformed as problem:
            return error(400, Kind.INVALID.value, str(problem))

    return answered


def error(status: int, code: str, message: str) -> Reply:
    """An error answer."""
    return Reply(status, {"code": code, "message": message})


def _shape(simulator: Simulator, item: Subscription) -> dict[str, object]:
    publisher = simulator.market.offers[item.offer_id].publisher_id
    return shapes.subscription(item, publisher, simulator.options)


@refusable
def resolve(simulator: Simulator, call: Call) -> Reply:
    """POST /resolve: the subscription of a landing page token, sent URL-decoded."""
    token = call.headers.get("x-ms-marketplace-token", "")
    found = simulator.market.resolve(token, call.now)
    return Reply(
        200,
        {
            "id": found.id,
            "subscriptionName": found.name,
            "offerId": found.offer_id,
            "planId": found.plan_id,
            **shapes.quantity(found.quantity, simulator.options),
            "subscription": _shape(simulator, found),
        },
    )


@refusable
def activate(simulator: Simulator, call: Call) -> Reply:
    """POST /{id}/activate: 200 without a body."""
    body = load_object(call.body)
    found = simulator.market.owned(call.params["id"])
    plan_id = body.get("planId", found.plan_id)
    simulator.market.activate(found.id, str(plan_id), _seats(body.get("quantity")), call.now)
    return Reply(200)


@refusable
def list_all(simulator: Simulator, call: Call) -> Reply:
    """GET /: our subscriptions of every status, oldest purchase first, 100 a page."""
    every = simulator.market.subscriptions.values()
    mine = [item for item in every if not item.foreign and item.resource_uri is None]
    token = call.query.get("continuationToken", "") or "0"
    if not token.isdecimal():
        raise Refused(Kind.INVALID, "the continuationToken is malformed")
    start = int(token)
    body: dict[str, object] = {
        "subscriptions": [_shape(simulator, item) for item in mine[start : start + PAGE]]
    }
    if start + PAGE < len(mine):
        query = urlencode({"continuationToken": start + PAGE, "api-version": API_VERSION})
        body["@nextLink"] = f"{call.base_url}{BASE}/?{query}"
    return Reply(200, body)


@refusable
def get(simulator: Simulator, call: Call) -> Reply:
    """GET /{id}."""
    return Reply(200, _shape(simulator, simulator.market.owned(call.params["id"])))


@refusable
def available_plans(simulator: Simulator, call: Call) -> Reply:
    """GET /{id}/listAvailablePlans; an unknown planId gives an empty list."""
    found = simulator.market.owned(call.params["id"])
    wanted = call.query.get("planId")
    plans = [
        shapes.plan(plan, with_source=wanted is not None)
        for plan in simulator.market.offers[found.offer_id].plans
        if wanted in (None, plan.id)
    ]
    return Reply(200, {"plans": plans})


@refusable
def update(simulator: Simulator, call: Call) -> Reply:
    """PATCH /{id}: another plan or another quantity, not both; 202 with Operation-Location."""
    body = load_object(call.body)
    market = simulator.market
    found = market.owned(call.params["id"])
    match body:
        case {"planId": str(plan_id)} if body.get("quantity") in (None, ""):
            operation = market.change_plan(found.id, plan_id, call.now, PUBLISHER)
        case {"quantity": int(quantity)} if quantity is not True and not body.get("planId"):
            operation = market.change_quantity(found.id, quantity, call.now, PUBLISHER)
        case _:
            raise Refused(Kind.INVALID, "send planId or quantity, one of them")
    return _accepted(call, operation)


@refusable
def delete(simulator: Simulator, call: Call) -> Reply:
    """DELETE /{id}: 202 with Operation-Location; the webhook follows when it is done."""
    return _accepted(call, simulator.market.request_delete(call.params["id"], call.now))


@refusable
def operations(simulator: Simulator, call: Call) -> Reply:
    """GET /{id}/operations: what is still in progress."""
    found = simulator.market.owned(call.params["id"])
    pending = [
        shapes.operation(item, simulator.options)
        for item in simulator.market.outstanding(found.id)
        if item.action == Action.REINSTATE or not simulator.options.list_reinstate_only
    ]
    return Reply(200, {"operations": pending})


@refusable
def operation(simulator: Simulator, call: Call) -> Reply:
    """GET /{id}/operations/{op}."""
    found = simulator.market.operation(call.params["id"], call.params["operation"])
    return Reply(200, shapes.operation(found, simulator.options))


@refusable
def answer(simulator: Simulator, call: Call) -> Reply:
    """PATCH /{id}/operations/{op} with status Success or Failure; 409 when it comes too late."""
    status = load_object(call.body).get("status")
    if status not in ("Success", "Failure"):
        raise Refused(Kind.INVALID, "status is Success or Failure")
    simulator.market.answer(
        call.params["id"], call.params["operation"], success=status == "Success", now=call.now
    )
    return Reply(200)


def _seats(value: object) -> int | None:
    if value in (None, ""):
        return None
    if isinstance(value, int | Decimal | str) and str(value).isdecimal():
        return int(value)
    raise Refused(Kind.INVALID, "quantity is a whole number")


def _accepted(call: Call, begun: Operation) -> Reply:
    path = f"{BASE}/{begun.subscription_id}/operations/{quote(begun.id, safe='')}"
    location = f"{call.base_url}{path}?api-version={API_VERSION}"
    return Reply(202, headers={"Operation-Location": location})
