"""Whether the app runs and can reach what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_health(req: func.HttpRequest) -> func.HttpResponse:
    """200 when storage answers, 503 otherwise; open to all, so it says no more than that."""
    from shared.api.health import health_response

    def handle(request: Request) -> Response:  # noqa: ARG001 - handlers are alike
        return health_response(app().queries.catalog_version())

    return respond(req, handle)
