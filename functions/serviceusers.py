"""Service users: API keys for product backends."""

import azure.functions as func

from shared.api.http import respond
from shared.api.problem import Response
from shared.api.request import Request
from shared.api.serviceusers import created_response, read_order, user_response, users_response
from shared.bootstrap import app

blueprint = func.Blueprint()


@blueprint.route(route="api/serviceusers", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_service_user(req: func.HttpRequest) -> func.HttpResponse:
    """Make a service user; the answer shows its key, once."""

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return created_response(*app().service_users.create(read_order(request)))

    return respond(req, handle)


@blueprint.route(route="api/serviceusers", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_service_users(req: func.HttpRequest) -> func.HttpResponse:
    """Every service user, without keys."""

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return users_response(app().service_users.all())

    return respond(req, handle)


@blueprint.route(
    route="api/serviceusers/{key}", methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS
)
def delete_service_user(req: func.HttpRequest) -> func.HttpResponse:
    """Revoke a key."""

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return user_response(app().service_users.revoke(request.route["key"]))

    return respond(req, handle)
