"""The catalogue: one versioned document, its history, its schema, and its parts for reading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()

KINDS = "{kind:regex(^(products|meters|aggregations|plantemplates|plans)$)}"


@blueprint.route(route="api/catalog", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_catalog(req: func.HttpRequest) -> func.HttpResponse:
    """The newest catalogue, as JSON or YAML."""
    from shared.api.catalog import catalog_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return catalog_response(app().put_catalog.current(), request.headers)

    return respond(req, handle)


@blueprint.route(route="api/catalog", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def put_catalog(req: func.HttpRequest) -> func.HttpResponse:
    """Replace the catalogue by a YAML or JSON document; ``dryRun=true`` only shows the changes."""
    from shared.api.catalog import change_catalog, parse_catalog

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        catalog = parse_catalog(request.headers, request.body)
        return change_catalog(app().put_catalog, catalog, request, caller.id)

    return respond(req, handle)


@blueprint.route(route="api/catalog", methods=["PATCH"], auth_level=func.AuthLevel.ANONYMOUS)
def patch_catalog(req: func.HttpRequest) -> func.HttpResponse:
    """Change the catalogue by a JSON merge patch."""
    from shared.api.catalog import change_catalog, patched_catalog

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        current = app().put_catalog.current()
        catalog = patched_catalog(request.headers, request.body, current)
        return change_catalog(app().put_catalog, catalog, request, caller.id)

    return respond(req, handle)


@blueprint.route(route="api/catalog/versions", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_versions(req: func.HttpRequest) -> func.HttpResponse:
    """Every version, newest first."""
    from shared.api.catalog import versions_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return versions_response(app().put_catalog.heads())

    return respond(req, handle)


@blueprint.route(
    route="api/catalog/versions/{number}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
def get_version(req: func.HttpRequest) -> func.HttpResponse:
    """One version with its document and what it changed."""
    from shared.api.catalog import catalog_response, version_number

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        number = version_number(request.route["number"])
        return catalog_response(app().put_catalog.version(number), request.headers)

    return respond(req, handle)


@blueprint.route(route="api/catalog/schema", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_schema(req: func.HttpRequest) -> func.HttpResponse:
    """The JSON Schema of the document; open to all, so that editors can fetch it."""
    from shared.api.catalog_schema import catalog_schema
    from shared.api.problem import Response

    def handle(request: Request) -> Response:  # noqa: ARG001 - handlers are alike
        text = json.dumps(catalog_schema())
        return Response(200, text, None, "application/schema+json")

    return respond(req, handle)


@blueprint.route(route=f"api/{KINDS}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_parts(req: func.HttpRequest) -> func.HttpResponse:
    """All products, meters, aggregations, plan templates or plans."""
    from shared.api.catalog_views import list_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return list_response(app().put_catalog.current(), request.route["kind"])

    return respond(req, handle)


@blueprint.route(
    route=f"api/{KINDS}/{{code}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
def get_part(req: func.HttpRequest) -> func.HttpResponse:
    """One of them; a plan with all it inherits, and from where."""
    from shared.api.catalog_views import item_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        kind, code = request.route["kind"], request.route["code"]
        return item_response(app().put_catalog.current(), kind, code)

    return respond(req, handle)
