"""The hourly run: the timer, the queue `metering` with one message a shard, and its state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.timer_trigger(schedule="0 5 * * * *", arg_name="timer", run_on_startup=False)
def hourly(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding needs its name
    """Five minutes past every hour: ask for a run and try parked events again."""
    from shared.api.metering import report_skew

    app().start_run()
    app().replay_parked()
    app().run_reaggregation.resume()
    report_skew(app().clock.skew)


@blueprint.service_bus_queue_trigger(
    arg_name="message", queue_name="metering", connection="ServiceBus"
)
def run_shard(message: func.ServiceBusMessage) -> None:
    """Handle one shard: its hourly run, or its part of a job where the message asks for that; or
    go on with the parked events of an account."""
    from shared.api.metering import report_run

    order = json.loads(message.get_body())
    if "bills" in order:
        app().run_bills.take(order)
    elif "parked" in order:
        app().replay_parked.take(order)
    elif "reaggregation" in order:
        app().run_reaggregation.take(order)
    else:
        report_run(app().run_shard(order["shard"]))


@blueprint.route(route="api/metering/run", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_run(req: func.HttpRequest) -> func.HttpResponse:
    """Ask for a run of all shards now."""
    from shared.api.problem import Response

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        asked = app().start_run()
        app().replay_parked()
        return Response(202, json.dumps({"asked": asked.isoformat()}))

    return respond(req, handle)


@blueprint.route(route="api/metering/status", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_status(req: func.HttpRequest) -> func.HttpResponse:
    """When each shard's last complete run began."""
    from shared.api.metering import status_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return status_response(app().start_run.status())

    return respond(req, handle)


@blueprint.route(route="api/submissions", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_submissions(req: func.HttpRequest) -> func.HttpResponse:
    """Submissions of an account, by hour."""
    from shared.api.metering import submissions_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return submissions_response(app().queries, request.query)

    return respond(req, handle)
