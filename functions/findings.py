"""Findings, and the daily work that makes most of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.timer_trigger(schedule="0 40 1 * * *", arg_name="timer", run_on_startup=False)
def daily(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding needs its name
    """At 01:40 UTC: audit, tend the day tables, compare with the Marketplace's report."""
    from shared.api.findings import report_daily

    report_daily(app().daily())


@blueprint.route(route="api/findings", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_findings(req: func.HttpRequest) -> func.HttpResponse:
    """What people should look at, newest first."""
    from shared.api.findings import findings_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return findings_response(app().queries.findings())

    return respond(req, handle)
