"""Adjustments: refunds that Microsoft made, recorded so that the ledger stays true."""

import azure.functions as func

from shared.api.adjustments import read_refund, refund_response
from shared.api.http import respond
from shared.api.problem import Response
from shared.api.request import Request
from shared.bootstrap import app

blueprint = func.Blueprint()


@blueprint.route(route="api/adjustments", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_adjustment(req: func.HttpRequest) -> func.HttpResponse:
    """Record a refund, once for its id."""

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return refund_response(app().record_refund(read_refund(request), caller.id))

    return respond(req, handle)
