"""Findings, and the daily work that makes most of them."""

import azure.functions as func

from shared.api.findings import findings_response, report_daily
from shared.api.http import respond
from shared.api.problem import Response
from shared.api.request import Request
from shared.bootstrap import app

blueprint = func.Blueprint()


@blueprint.timer_trigger(schedule="0 40 1 * * *", arg_name="timer", run_on_startup=False)
def daily(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding needs its name
    """At 01:40 UTC: audit, tend the day tables, compare with the Marketplace's report."""
    report_daily(app().daily())


@blueprint.route(route="api/findings", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_findings(req: func.HttpRequest) -> func.HttpResponse:
    """What people should look at, newest first."""

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return findings_response(app().queries.findings())

    return respond(req, handle)
