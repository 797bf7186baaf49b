"""Jobs that aggregate stored events again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()

ALL = "api/reaggregations"


@blueprint.route(route=ALL, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_reaggregation(req: func.HttpRequest) -> func.HttpResponse:
    """Begin a job."""
    from shared.api.reaggregations import read_order, started_response

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return started_response(app().run_reaggregation.start(read_order(request), caller.id))

    return respond(req, handle)


@blueprint.route(route=ALL, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_reaggregations(req: func.HttpRequest) -> func.HttpResponse:
    """Recent jobs, newest first."""
    from shared.api.reaggregations import jobs_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return jobs_response(app().run_reaggregation.recent())

    return respond(req, handle)


@blueprint.route(route=f"{ALL}/{{job}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_reaggregation(req: func.HttpRequest) -> func.HttpResponse:
    """How far a job is, and what came of it."""
    from shared.api.reaggregations import job_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return job_response(app().run_reaggregation.status(request.route["job"]))

    return respond(req, handle)
