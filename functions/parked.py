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
    """Parked events and refused messages, each with its reason, page by page."""
    from shared.api.parked import parked_query, parked_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return parked_response(app().parked_input.page(parked_query(request.query)))

    return respond(req, handle)


@blueprint.route(route="api/parked", methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
def delete_parked(req: func.HttpRequest) -> func.HttpResponse:
    """Drop all parked events of an account code."""
    from shared.api.parked import dropped_response, parked_account

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        account = parked_account(request.query)
        return dropped_response(app().parked_input.drop(account, caller.id))

    return respond(req, handle)


@blueprint.route(route="api/parked/replay", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_replay(req: func.HttpRequest) -> func.HttpResponse:
    """Try parked events again now: of one account, or of all."""
    from shared.api.parked import parked_query, replayed_response

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return replayed_response(app().replay_parked(parked_query(request.query).account))

    return respond(req, handle)
