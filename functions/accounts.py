"""Accounts: who they are, what they owe, what the Marketplace was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/accounts", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_accounts(req: func.HttpRequest) -> func.HttpResponse:
    """Every account with its subscription."""
    from shared.api.accounts import accounts_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return accounts_response(app().queries.accounts())

    return respond(req, handle)


@blueprint.route(route="api/accounts/{code}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_account(req: func.HttpRequest) -> func.HttpResponse:
    """One account with its plans and subscriptions."""
    from shared.api.accounts import account_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return account_response(app().queries.account(request.route["code"]))

    return respond(req, handle)


@blueprint.route(
    route="api/accounts/{code}/totals", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
def get_totals(req: func.HttpRequest) -> func.HttpResponse:
    """What an account owes by usage folded so far, and what is committed of it."""
    from shared.api.accounts import totals_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return totals_response(app().queries.totals(request.route["code"]))

    return respond(req, handle)
