"""Parked and refused input: what could not be used yet, or at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/parked", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_parked(req: func.HttpRequest) -> func.HttpResponse:
    """Parked events and refused messages, each with its reason."""
    from shared.api.parked import parked_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return parked_response(app().queries.parked(), app().queries.refused())

    return respond(req, handle)


@blueprint.route(route="api/parked/replay", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_replay(req: func.HttpRequest) -> func.HttpResponse:
    """Try parked events again now."""
    from shared.api.parked import replayed_response

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return replayed_response(app().replay_parked())

    return respond(req, handle)
