"""Usage: over HTTP, and from the queue `usage`."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/usage", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_usage(req: func.HttpRequest) -> func.HttpResponse:
    """Take one event, an array, or a CloudEvents batch."""
    from shared.api.body import JSON_TYPES, parse_json, require_type
    from shared.api.usage import ingest, results_response

    def handle(request: Request) -> Response:
        caller = app().authorize.usage_write(request.headers)
        require_type(request.headers, *JSON_TYPES)
        return results_response(ingest(app().ingest, parse_json(request.body), caller.accounts))

    return respond(req, handle)


@blueprint.service_bus_queue_trigger(
    arg_name="messages", queue_name="usage", connection="ServiceBus", cardinality="many"
)
def take_usage(messages: typing.List[func.ServiceBusMessage]) -> None:  # noqa: UP006
    """Store the events of messages. The runtime reads this signature and wants typing.List."""
    from shared.api.messages import parse_message, report_taken

    items = [item for message in messages for item in parse_message(message.get_body())]
    deliveries = max((message.delivery_count or 1 for message in messages), default=1)
    report_taken(len(messages), app().take_message(items, deliveries))
