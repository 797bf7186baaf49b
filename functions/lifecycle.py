"""The life of a subscription: landing page, Partner Center's webhook, queue `lifecycle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request
    from shared.console.landing import LandingPage

blueprint = func.Blueprint()


def _landing() -> LandingPage:
    from shared.console.landing import LandingPage, Look

    settings = app().settings
    look = Look(
        app().queries.publisher(), settings.product_url, settings.support_url, not settings.local
    )
    return LandingPage(app().activate, app().sign_in, look)


@blueprint.route(route="landing", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_landing(req: func.HttpRequest) -> func.HttpResponse:
    """Show a buyer what the Marketplace says was bought."""

    def handle(request: Request) -> Response:
        return _landing().show(request.query.get("token", ""), request.headers)

    return respond(req, handle)


@blueprint.route(route="landing", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_landing(req: func.HttpRequest) -> func.HttpResponse:
    """Set the account up and start billing."""

    def handle(request: Request) -> Response:
        return _landing().confirm(request.form, request.headers)

    return respond(req, handle)


@blueprint.route(route="api/webhook", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Take a notice of Partner Center: prove it, queue it, answer at once."""
    from shared.api.lifecycle import webhook_response

    def handle(request: Request) -> Response:
        app().authorize.partner_center(request.headers)
        return webhook_response(app().receive_notice, request)

    return respond(req, handle)


@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name="lifecycle", connection="ServiceBus", is_sessions_enabled=True
)
def take_lifecycle(message: func.ServiceBusMessage) -> None:
    """Follow an operation to its end, or forward an event; one session's come in order."""
    from shared.api.lifecycle import handle_message

    handle_message(message.get_body(), lambda: app().handle_operation, lambda: app().forward)
