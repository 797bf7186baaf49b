"""The audit trail: who changed what, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/audit", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_audit(req: func.HttpRequest) -> func.HttpResponse:
    """Entries of the audit trail, newest first."""
    from shared.api.audit import trail_query, trail_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return trail_response(app().read_trail(trail_query(request)))

    return respond(req, handle)
