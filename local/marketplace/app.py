"""The ASGI application: which path is answered by whom."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from local.marketplace import commands, control, entra_api, fulfillment, metering, page, sign_in
from local.marketplace.connections import Connections
from local.marketplace.control import Desk
from local.marketplace.faults import Target
from local.marketplace.fulfillment import BASE
from local.marketplace.gate import Gate, Handler, read, respond
from local.marketplace.register import Refused
from local.marketplace.simulator import Simulator
from local.marketplace.webhooks import Sender
from local.marketplace.wire import Call, Malformed, Reply

_LOG: Final = logging.getLogger(__name__)

type Order = Callable[[Desk, Call], Reply]

_ONE: Final = BASE + "/{id}"
_PLAYED: Final[tuple[tuple[str, str, Target, Handler], ...]] = (
    ("POST", "/api/usageEvent", Target.METERING, metering.usage_event),
    ("POST", "/api/batchUsageEvent", Target.METERING, metering.batch_usage_event),
    ("GET", "/api/usageEvents", Target.METERING, metering.usage_events),
    ("POST", f"{BASE}/resolve", Target.FULFILLMENT, fulfillment.resolve),
    ("GET", BASE, Target.FULFILLMENT, fulfillment.list_all),
    ("GET", f"{BASE}/", Target.FULFILLMENT, fulfillment.list_all),
    ("GET", _ONE, Target.FULFILLMENT, fulfillment.get),
    ("PATCH", _ONE, Target.FULFILLMENT, fulfillment.update),
    ("DELETE", _ONE, Target.FULFILLMENT, fulfillment.delete),
    ("POST", f"{_ONE}/activate", Target.FULFILLMENT, fulfillment.activate),
    ("GET", f"{_ONE}/listAvailablePlans", Target.FULFILLMENT, fulfillment.available_plans),
    ("GET", f"{_ONE}/operations", Target.FULFILLMENT, fulfillment.operations),
    ("GET", f"{_ONE}/operations/{{operation}}", Target.FULFILLMENT, fulfillment.operation),
    ("PATCH", f"{_ONE}/operations/{{operation}}", Target.FULFILLMENT, fulfillment.answer),
    ("GET", "/msi/token", Target.ENTRA, entra_api.managed_identity),
    ("POST", "/{tenant}/oauth2/v2.0/token", Target.ENTRA, entra_api.token_v2),
    ("POST", "/{tenant}/oauth2/token", Target.ENTRA, entra_api.token_v1),
    ("GET", "/{tenant}/discovery/v2.0/keys", Target.ENTRA, entra_api.keys),
    ("GET", "/{tenant}/v2.0/.well-known/openid-configuration", Target.ENTRA, entra_api.metadata),
)
_CONTROL: Final[tuple[tuple[str, str, Order], ...]] = (
    ("GET", "/control", control.overview),
    ("GET", "/control/offers", control.offers),
    ("POST", "/control/offers", control.publish),
    ("POST", "/control/purchases", control.purchase),
    ("GET", "/control/subscriptions", control.subscriptions),
    ("GET", "/control/subscriptions/{id}", control.subscription),
    ("POST", "/control/subscriptions/{id}/token", control.token),
    ("POST", "/control/subscriptions/{id}/{action}", control.act),
    ("GET", "/control/clock", control.clock),
    ("POST", "/control/clock", control.advance),
    ("GET", "/control/faults", control.faults),
    ("POST", "/control/faults", control.add_fault),
    ("DELETE", "/control/faults", control.clear_faults),
    ("DELETE", "/control/faults/{id:int}", control.remove_fault),
    ("GET", "/control/requests", control.requests),
    ("GET", "/control/usage", control.usage),
    ("GET", "/control/usage/totals", control.totals),
    ("POST", "/control/usage/recon", control.reconcile),
    ("GET", "/control/webhooks", control.deliveries),
    ("GET", "/control/webhooks/settings", control.webhook),
    ("PATCH", "/control/webhooks/settings", control.set_webhook),
    ("GET", "/control/options", control.options),
    ("PATCH", "/control/options", control.set_options),
    ("GET", "/control/entra/clients", control.clients),
    ("POST", "/control/entra/clients", control.register),
    ("POST", "/control/entra/rotate", control.rotate),
    ("POST", "/control/entra/token", control.mint),
    ("POST", "/control/reset", control.reset),
    ("GET", "/", page.show),
    ("GET", "/sign-in", sign_in.sign_in),
    ("POST", "/page/{verb}", page.submit),
)


def _desk(desk: Desk, order: Order) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for an order; refusals become problem texts with their status."""

    async def endpoint(request: Request) -> Response:
        call = await read(request, desk.simulator)
        try:
            reply = order(desk, call)
        except Malformed as problem:
            reply = fulfillment.error(400, "BadRequest", str(problem))
        except Refused as refusal:
            status = fulfillment.STATUS[refusal.kind]
            reply = fulfillment.error(status, refusal.kind.value, str(refusal))
        desk.sender.wake()
        return respond(reply, {})

    return endpoint


def _report(sender: asyncio.Task[None]) -> None:
    """Without the sender time stands still: say at once that and why it has ended."""
    if not sender.cancelled():
        _LOG.error("the webhook sender has ended", exc_info=sender.exception())


def build(simulator: Simulator, connections: Connections) -> Starlette:
    """The application; the webhook sender runs for as long as it does."""
    sender = Sender(simulator)
    desk = Desk(simulator, sender)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(sender.run())
        running.add_done_callback(_report)
        yield
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    async def settle(request: Request) -> Response:
        """Wait until no webhook delivery is under way or due."""
        try:
            order = control.read_order(commands.SETTLE, await request.body())
        except Malformed as problem:
            return respond(fulfillment.error(400, "BadRequest", str(problem)), {})
        quiet = await sender.settle(order.timeout_seconds)
        return respond(Reply(200 if quiet else 503, {"quiet": quiet}), {})

    played: list[BaseRoute] = [
        Route(path, Gate(simulator, connections, target, handler, sender.wake), methods=[verb])
        for verb, path, target, handler in _PLAYED
    ]
    ordered: list[BaseRoute] = [
        Route(path, _desk(desk, order), methods=[verb]) for verb, path, order in _CONTROL
    ]
    waiting = [Route("/control/webhooks/settle", settle, methods=["POST"])]
    return Starlette(routes=[*waiting, *ordered, *played], lifespan=lifespan)
