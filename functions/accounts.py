"""Accounts: who they are, what they owe, and what hangs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()

ALL = "api/accounts"
ONE = "api/accounts/{code}"


@blueprint.route(route=ALL, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_accounts(req: func.HttpRequest) -> func.HttpResponse:
    """Accounts that the caller may read, page by page."""
    from shared.api.account_documents import account_query, page_response

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_reader(request.headers)
        return page_response(app().accounts.page(account_query(request, caller)))

    return respond(req, handle)


@blueprint.route(route=ALL, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_account(req: func.HttpRequest) -> func.HttpResponse:
    """Make an account."""
    from shared.api.account_documents import created_response, read_account

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return created_response(app().accounts.create(read_account(request), caller.id))

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_account(req: func.HttpRequest) -> func.HttpResponse:
    """One account with all that hangs on it."""
    from shared.api.account_documents import account_of, account_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        app().authorize.billing_read(request.headers, code)
        return account_response(app().accounts.change.load(code))

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def put_account(req: func.HttpRequest) -> func.HttpResponse:
    """Change an account itself."""
    from shared.api.account_documents import account_of, account_response, read_account
    from shared.api.conditions import version_needed

    def handle(request: Request) -> Response:
        code = account_of(request)
        caller = app().authorize.billing_admin(request.headers, code)
        account, expected = read_account(request), version_needed(request.headers)
        return account_response(app().accounts.update(code, account, expected, caller.id))

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
def delete_account(req: func.HttpRequest) -> func.HttpResponse:
    """Forget an account on which nothing hangs."""
    from shared.api.account_documents import account_of, gone_response
    from shared.api.conditions import version_needed

    def handle(request: Request) -> Response:
        code = account_of(request)
        caller = app().authorize.billing_admin(request.headers, code)
        app().accounts.delete(code, version_needed(request.headers), caller.id)
        return gone_response()

    return respond(req, handle)


@blueprint.route(route=f"{ONE}/totals", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_totals(req: func.HttpRequest) -> func.HttpResponse:
    """What an account owes by usage folded so far, and what is committed of it."""
    from shared.api.account_documents import account_of, check_family
    from shared.api.accounts import totals_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        caller = app().authorize.billing_read(request.headers, code)
        check_family(caller, code, app().accounts.payer)
        return totals_response(app().queries.totals(code))

    return respond(req, handle)
