"""Service users: API keys for product backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/serviceusers", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_service_user(req: func.HttpRequest) -> func.HttpResponse:
    """Make a service user; the answer shows its key, once."""
    from shared.api.serviceusers import created_response, read_order

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return created_response(*app().service_users.create(read_order(request), caller.id))

    return respond(req, handle)


@blueprint.route(route="api/serviceusers", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_service_users(req: func.HttpRequest) -> func.HttpResponse:
    """Every service user, without keys."""
    from shared.api.serviceusers import users_response

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return users_response(app().service_users.all())

    return respond(req, handle)


@blueprint.route(
    route="api/serviceusers/{key}", methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS
)
def delete_service_user(req: func.HttpRequest) -> func.HttpResponse:
    """Revoke a key."""
    from shared.api.serviceusers import user_response

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return user_response(app().service_users.revoke(request.route["key"], caller.id))

    return respond(req, handle)
