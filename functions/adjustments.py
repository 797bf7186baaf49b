"""Adjustments: refunds that Microsoft made, recorded so that the ledger stays true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/adjustments", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_adjustment(req: func.HttpRequest) -> func.HttpResponse:
    """Record a refund, once for its id."""
    from shared.api.adjustments import read_refund, refund_response

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return refund_response(app().record_refund(read_refund(request), caller.id))

    return respond(req, handle)
