"""Plans attached to accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()

ALL = "api/accounts/{code}/plans"
ONE = "api/accounts/{code}/plans/{id}"


@blueprint.route(route=ALL, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_plans(req: func.HttpRequest) -> func.HttpResponse:
    """Every plan that is, was or will be attached to an account."""
    from shared.api.account_documents import account_of, plans_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        app().authorize.billing_read(request.headers, code)
        return plans_response(app().accounts.change.load(code))

    return respond(req, handle)


@blueprint.route(route=ALL, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_plan(req: func.HttpRequest) -> func.HttpResponse:
    """Attach a plan."""
    from shared.api.account_documents import account_of, plan_response, read_plan
    from shared.api.conditions import version_sent

    def handle(request: Request) -> Response:
        code = account_of(request)
        caller = app().authorize.billing_admin(request.headers, code)
        order, expected = read_plan(request), version_sent(request.headers)
        attached = app().account_plans.attach(code, order, expected, caller.id)
        return plan_response(code, attached, 201)

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_plan(req: func.HttpRequest) -> func.HttpResponse:
    """One attachment."""
    from shared.api.account_documents import account_of, plan_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        app().authorize.billing_read(request.headers, code)
        return plan_response(code, app().account_plans.get(code, request.route["id"]))

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def put_plan(req: func.HttpRequest) -> func.HttpResponse:
    """Change or end an attachment."""
    from shared.api.account_documents import account_of, plan_response, read_plan
    from shared.api.conditions import version_needed

    def handle(request: Request) -> Response:
        code, id_ = account_of(request), request.route["id"]
        caller = app().authorize.billing_admin(request.headers, code)
        order, expected = read_plan(request), version_needed(request.headers)
        attached = app().account_plans.update(code, id_, order, expected, caller.id)
        return plan_response(code, attached)

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
def delete_plan(req: func.HttpRequest) -> func.HttpResponse:
    """Take away an attachment that has not begun."""
    from shared.api.account_documents import account_of, gone_response
    from shared.api.conditions import version_needed

    def handle(request: Request) -> Response:
        code, id_ = account_of(request), request.route["id"]
        caller = app().authorize.billing_admin(request.headers, code)
        expected = version_needed(request.headers)
        return gone_response(app().account_plans.detach(code, id_, expected, caller.id))

    return respond(req, handle)
