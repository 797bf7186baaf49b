"""The control API: order what happens, read what happened."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError

from local.marketplace import commands, shapes, views
from local.marketplace.catalog import Offer
from local.marketplace.config import Client, Webhook
from local.marketplace.defaults import MARKETPLACE_RESOURCE
from local.marketplace.faults import Fault, Target
from local.marketplace.options import Options
from local.marketplace.register import Kind, Refused
from local.marketplace.reports import DayKey
from local.marketplace.simulator import Simulator
from local.marketplace.state import Purchase
from local.marketplace.webhooks import Sender
from local.marketplace.wire import Call, Malformed, Reply, dumps, load_object, loads, parse_time

_PURCHASE: Final = TypeAdapter(Purchase)
_OFFER: Final = TypeAdapter(Offer)
_FAULT: Final = TypeAdapter(Fault)
_CLIENT: Final = TypeAdapter(Client)
_OPTIONS: Final = TypeAdapter(Options)
_WEBHOOK: Final = TypeAdapter(Webhook)


@dataclass(frozen=True, slots=True)
class Desk:
    """What orders are given to."""

    simulator: Simulator
    sender: Sender


def _plain[T](adapter: TypeAdapter[T], value: T) -> object:
    return loads(adapter.dump_json(value, by_alias=True))


def read_order[T](adapter: TypeAdapter[T], body: bytes) -> T:
    """A command from a body. Raises Malformed naming every wrong field."""
    try:
        return adapter.validate_python(load_object(body))
    except ValidationError as problem:
        faults = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in problem.errors())
        raise Malformed("; ".join(faults)) from problem


def offers(desk: Desk, _: Call) -> Reply:
    """GET /control/offers."""
    return Reply(200, [_plain(_OFFER, item) for item in desk.simulator.market.offers.values()])


def publish(desk: Desk, call: Call) -> Reply:
    """POST /control/offers: a new offer, or a new version that keeps published dimensions."""
    offer = read_order(_OFFER, call.body)
    try:
        desk.simulator.market.publish(offer)
    except ValueError as locked:
        raise Refused(Kind.CONFLICT, str(locked)) from locked
    return Reply(201, _plain(_OFFER, offer))


def purchase(desk: Desk, call: Call) -> Reply:
    """POST /control/purchases: subscription id, marketplace token, landing page link."""
    simulator = desk.simulator
    bought, token = simulator.market.purchase(read_order(_PURCHASE, call.body), call.now)
    link = views.landing_page(simulator, token)
    return Reply(201, {"subscriptionId": bought.id, "token": token, "landingPage": link})


def subscriptions(desk: Desk, _: Call) -> Reply:
    """GET /control/subscriptions: all, foreign ones included."""
    simulator = desk.simulator
    every = simulator.market.subscriptions.values()
    return Reply(200, [views.subscription(simulator, item) for item in every])


def subscription(desk: Desk, call: Call) -> Reply:
    """GET /control/subscriptions/{id} with all its operations."""
    simulator = desk.simulator
    found = simulator.market.subscription(call.params["id"])
    history = [
        shapes.operation(item, simulator.options)
        for item in simulator.market.operations.values()
        if item.subscription_id == found.id
    ]
    return Reply(200, views.subscription(simulator, found) | {"operations": history})


def act(desk: Desk, call: Call) -> Reply:
    """POST /control/subscriptions/{id}/{action}."""
    order = read_order(commands.ACT, call.body)
    done = commands.act(desk.simulator, call.params["id"], call.params["action"], order)
    return Reply(200, shapes.operation(done, desk.simulator.options) if done else {})


def token(desk: Desk, call: Call) -> Reply:
    """POST /control/subscriptions/{id}/token: the customer opens the landing page again."""
    fresh = desk.simulator.market.issue_token(call.params["id"], call.now)
    link = views.landing_page(desk.simulator, fresh)
    return Reply(201, {"token": fresh, "landingPage": link})


def clock(desk: Desk, call: Call) -> Reply:
    """GET /control/clock."""
    offset = desk.simulator.clock.offset().total_seconds()
    return Reply(200, {"now": call.now, "offsetSeconds": offset})


def advance(desk: Desk, call: Call) -> Reply:
    """POST /control/clock: time moves, and everything due in between has happened."""
    step = timedelta(seconds=read_order(commands.ADVANCE, call.body).advance_seconds)
    try:
        desk.simulator.clock.advance(step)
    except ValueError as problem:
        raise Malformed(str(problem)) from problem
    return clock(desk, replace(call, now=desk.simulator.tick()))


def faults(desk: Desk, _: Call) -> Reply:
    """GET /control/faults."""
    return Reply(200, [views.fault(item) for item in desk.simulator.faults.rules()])


def add_fault(desk: Desk, call: Call) -> Reply:
    """POST /control/faults."""
    return Reply(201, views.fault(desk.simulator.faults.add(read_order(_FAULT, call.body))))


def clear_faults(desk: Desk, _: Call) -> Reply:
    """DELETE /control/faults."""
    desk.simulator.faults.clear()
    return Reply(204)


def remove_fault(desk: Desk, call: Call) -> Reply:
    """DELETE /control/faults/{id}."""
    if not desk.simulator.faults.remove(int(call.params["id"])):
        raise Refused(Kind.NOT_FOUND, "no such fault")
    return Reply(204)


def requests(desk: Desk, call: Call) -> Reply:
    """GET /control/requests[?target=metering][&since=number], oldest first."""
    try:
        target = Target(call.query["target"]) if "target" in call.query else None
        since = int(call.query.get("since", "0"))
    except ValueError as problem:
        raise Malformed(str(problem)) from problem
    return Reply(200, [views.entry(item) for item in desk.simulator.log.since(since, target)])


def usage(desk: Desk, _: Call) -> Reply:
    """GET /control/usage: all accepted events in the order they were accepted."""
    return Reply(200, [views.record(item) for item in desk.simulator.usage])


def totals(desk: Desk, _: Call) -> Reply:
    """GET /control/usage/totals."""
    return Reply(200, views.totals(desk.simulator))


def reconcile(desk: Desk, call: Call) -> Reply:
    """POST /control/usage/recon."""
    order = read_order(commands.RECON, call.body)
    day = parse_time(order.day)
    found = desk.simulator.market.subscription(order.resource_id)
    key = DayKey(day, found.id, order.dimension, order.plan_id)
    desk.simulator.rule(key, order.status, order.processed_quantity)
    return Reply(200, {})


def deliveries(desk: Desk, _: Call) -> Reply:
    """GET /control/webhooks: every delivery with its tries."""
    return Reply(200, [views.delivery(item) for item in desk.sender.post.all])


def webhook(desk: Desk, _: Call) -> Reply:
    """GET /control/webhooks/settings."""
    return Reply(200, _plain(_WEBHOOK, desk.simulator.webhook))


def set_webhook(desk: Desk, call: Call) -> Reply:
    """PATCH /control/webhooks/settings."""
    desk.simulator.webhook = _merged(_WEBHOOK, desk.simulator.webhook, call)
    return webhook(desk, call)


def options(desk: Desk, _: Call) -> Reply:
    """GET /control/options."""
    return Reply(200, _plain(_OPTIONS, desk.simulator.options))


def set_options(desk: Desk, call: Call) -> Reply:
    """PATCH /control/options."""
    desk.simulator.options = _merged(_OPTIONS, desk.simulator.options, call)
    return options(desk, call)


def _merged[T](adapter: TypeAdapter[T], old: T, call: Call) -> T:
    known = adapter.dump_python(old, by_alias=True)
    merged = {**known, **load_object(call.body)}
    try:
        return adapter.validate_python(merged)
    except ValidationError as problem:
        raise Malformed(str(problem.errors()[0]["msg"])) from problem


def clients(desk: Desk, _: Call) -> Reply:
    """GET /control/entra/clients, without their secrets."""
    known = desk.simulator.entra.clients.values()
    return Reply(200, [_plain(_CLIENT, replace(item, secret=None)) for item in known])


def register(desk: Desk, call: Call) -> Reply:
    """POST /control/entra/clients: add or replace an application."""
    stored = desk.simulator.entra.register(read_order(_CLIENT, call.body))
    return Reply(201, _plain(_CLIENT, replace(stored, secret=None)))


def rotate(desk: Desk, call: Call) -> Reply:
    """POST /control/entra/rotate: sign with the announced key, or in an emergency a new one."""
    ring = desk.simulator.ring
    ring.rotate(emergency=read_order(commands.ROTATE, call.body).emergency)
    return Reply(200, {"kid": ring.current.kid, "published": [key.kid for key in ring.keys]})


def mint(desk: Desk, call: Call) -> Reply:
    """POST /control/entra/token: a signed token with any claims, right or wrong."""
    order = read_order(commands.MINT, call.body)
    entra = desk.simulator.entra
    client = entra.microsoft()
    if order.client_id not in (None, MARKETPLACE_RESOURCE):
        found = entra.clients.get(order.client_id or "")
        if found is None:
            raise Refused(Kind.NOT_FOUND, "no such client")
        client = found
    audience = order.audience or desk.simulator.settings.marketplace_app_id
    build = entra.v1_claims if order.version == "v1" else entra.v2_claims
    claims = build(audience, client, call.now) | order.claims
    kept = {name: value for name, value in claims.items() if value is not None}
    signed = desk.simulator.ring.sign(json.loads(dumps(kept)))
    return Reply(201, {"token": signed, "claims": kept})


def reset(desk: Desk, _: Call) -> Reply:
    """POST /control/reset: forget everything but keys and time."""
    desk.simulator.reset()
    desk.sender.reset()
    return Reply(204)


def overview(desk: Desk, call: Call) -> Reply:
    """GET /control: who is who, and how much has happened."""
    simulator = desk.simulator
    settings = simulator.settings
    counts = {target.value: number for target, number in simulator.log.counts.items()}
    return Reply(
        200,
        {
            "url": simulator.base_url,
            "now": call.now,
            "tenantId": settings.tenant_id,
            "marketplaceAppId": settings.marketplace_app_id,
            "apiAppId": settings.api_app_id,
            "marketplaceResource": MARKETPLACE_RESOURCE,
            "landingUrl": settings.landing_url,
            "webhookUrl": simulator.webhook.url,
            "subscriptions": len(simulator.market.subscriptions),
            "requests": counts,
            "deliveries": len(desk.sender.post.all),
        },
    )
