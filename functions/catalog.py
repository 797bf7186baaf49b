"""The catalogue: one versioned document."""

import azure.functions as func

from shared.api.catalog import catalog_response, parse_catalog
from shared.api.http import respond
from shared.api.problem import Response
from shared.api.request import Request
from shared.bootstrap import app

blueprint = func.Blueprint()


@blueprint.route(route="api/catalog", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_catalog(req: func.HttpRequest) -> func.HttpResponse:
    """The catalogue in force."""

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return catalog_response(app().put_catalog.current())

    return respond(req, handle)


@blueprint.route(route="api/catalog", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def put_catalog(req: func.HttpRequest) -> func.HttpResponse:
    """Replace the catalogue by a YAML or JSON document."""

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        version = app().put_catalog(parse_catalog(request.headers, request.body))
        return catalog_response(version)

    return respond(req, handle)
