"""Prepayments, credits and single charges of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()

ALL = "api/accounts/{code}/{kind:regex(^(prepayments|credits|charges)$)}"
ONE = ALL + "/{id}"


@blueprint.route(route=ALL, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_grants(req: func.HttpRequest) -> func.HttpResponse:
    """All of a kind that an account was given or charged."""
    from shared.api.account_documents import account_of, grants_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        app().authorize.billing_read(request.headers, code)
        return grants_response(app().accounts.change.load(code), request.route["kind"])

    return respond(req, handle)


@blueprint.route(route=ALL, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_grant(req: func.HttpRequest) -> func.HttpResponse:
    """Give or charge something, once for its Idempotency-Key."""
    from shared.api.account_documents import account_of, grant_response, kind_of, read_grant
    from shared.api.conditions import repeatable, version_sent

    def handle(request: Request) -> Response:
        code, kind = account_of(request), kind_of(request)
        caller = app().authorize.billing_admin(request.headers, code)
        order, expected = read_grant(request), version_sent(request.headers)
        repeat = repeatable(request.headers, request.body)
        granted = app().grants.add(code, kind, order, repeat, expected, caller.id)
        return grant_response(request, granted, 201)

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_grant(req: func.HttpRequest) -> func.HttpResponse:
    """One thing that was given or charged."""
    from shared.api.account_documents import account_of, grant_response, kind_of

    def handle(request: Request) -> Response:
        code, kind = account_of(request), kind_of(request)
        app().authorize.billing_read(request.headers, code)
        return grant_response(request, app().grants.get(code, kind, request.route["id"]))

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def put_grant(req: func.HttpRequest) -> func.HttpResponse:
    """Change something that was given or charged."""
    from shared.api.account_documents import account_of, grant_response, kind_of, read_grant
    from shared.api.conditions import version_needed

    def handle(request: Request) -> Response:
        code, kind, id_ = account_of(request), kind_of(request), request.route["id"]
        caller = app().authorize.billing_admin(request.headers, code)
        order, expected = read_grant(request), version_needed(request.headers)
        granted = app().grants.update(code, kind, id_, order, expected, caller.id)
        return grant_response(request, granted)

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
def delete_grant(req: func.HttpRequest) -> func.HttpResponse:
    """Take away what no billed period has used."""
    from shared.api.account_documents import account_of, gone_response, kind_of
    from shared.api.conditions import version_needed

    def handle(request: Request) -> Response:
        code, kind, id_ = account_of(request), kind_of(request), request.route["id"]
        caller = app().authorize.billing_admin(request.headers, code)
        expected = version_needed(request.headers)
        return gone_response(app().grants.remove(code, kind, id_, expected, caller.id))

    return respond(req, handle)
