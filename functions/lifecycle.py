"""The life of a subscription: landing page, Partner Center's webhook, queue `lifecycle`."""

import azure.functions as func

from shared.api.http import respond
from shared.api.lifecycle import (
    parse_lifecycle_message,
    report_followed,
    webhook_response,
)
from shared.api.problem import Response
from shared.api.request import Request
from shared.bootstrap import app
from shared.console.landing import activated_page, offer_page

blueprint = func.Blueprint()


@blueprint.route(route="landing", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_landing(req: func.HttpRequest) -> func.HttpResponse:
    """Show a buyer what the Marketplace says was bought."""

    def handle(request: Request) -> Response:
        token = request.query.get("token", "")
        return offer_page(token, lambda: app().activate.resolve(token))

    return respond(req, handle)


@blueprint.route(route="landing", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_landing(req: func.HttpRequest) -> func.HttpResponse:
    """Set the account up and start billing."""

    def handle(request: Request) -> Response:
        token = request.form.get("token", "")
        return activated_page(token, lambda: app().activate(token))

    return respond(req, handle)


@blueprint.route(route="api/webhook", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Take a notice of Partner Center: prove it, queue it, answer at once."""

    def handle(request: Request) -> Response:
        app().authorize.partner_center(request.headers)
        return webhook_response(app().receive_notice, request)

    return respond(req, handle)


@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name="lifecycle", connection="ServiceBus", is_sessions_enabled=True
)
def follow_subscription(message: func.ServiceBusMessage) -> None:
    """Make our state what the Marketplace says; one subscription's notices come in order."""
    subscription, at = parse_lifecycle_message(message.get_body())
    report_followed(app().follow_subscription(subscription, at))
