"""Subscriptions: what they are, and what publishers order for their customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()

ONE = "api/subscriptions/{id}"


@blueprint.timer_trigger(schedule="0 3 * * * *", arg_name="timer", run_on_startup=False)
def reconcile_subscriptions(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding needs its name
    """Three minutes past every hour, before usage is billed: agree with the Marketplace."""
    from shared.api.subscriptions import report_reconciled

    report_reconciled(app().reconcile_subscriptions())


@blueprint.route(
    route="api/subscriptions/reconcile", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
def post_reconcile(req: func.HttpRequest) -> func.HttpResponse:
    """Agree with the Marketplace now."""
    from shared.api.subscriptions import reconciled_response, report_reconciled

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        report = app().reconcile_subscriptions()
        report_reconciled(report)
        return reconciled_response(report)

    return respond(req, handle)


@blueprint.route(route="api/subscriptions", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_subscriptions(req: func.HttpRequest) -> func.HttpResponse:
    """Every subscription with its account."""
    from shared.api.subscriptions import subscriptions_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return subscriptions_response(app().subscriptions.all())

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_subscription(req: func.HttpRequest) -> func.HttpResponse:
    """One subscription with its operations and audit trail."""
    from shared.api.subscriptions import subscription_id, subscription_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return subscription_response(app().subscriptions.one(subscription_id(request)))

    return respond(req, handle)


@blueprint.route(
    route=f"{ONE}/operations/{{operation}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
def get_operation(req: func.HttpRequest) -> func.HttpResponse:
    """How far an operation is, by the Marketplace's word."""
    from shared.api.subscriptions import operation_response, subscription_id

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        operation = request.route["operation"]
        return operation_response(
            app().publisher_actions.operation(subscription_id(request), operation)
        )

    return respond(req, handle)


@blueprint.route(route=f"{ONE}/plan", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_subscription_plan(req: func.HttpRequest) -> func.HttpResponse:
    """Ask the Marketplace for another plan."""
    from shared.api.subscriptions import operation_response, read_plan, subscription_id

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        id_, plan = subscription_id(request), read_plan(request)
        return operation_response(app().publisher_actions.change_plan(id_, plan, caller.id))

    return respond(req, handle)


@blueprint.route(route=f"{ONE}/quantity", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_quantity(req: func.HttpRequest) -> func.HttpResponse:
    """Ask the Marketplace for another number of seats."""
    from shared.api.subscriptions import operation_response, read_quantity, subscription_id

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        id_, quantity = subscription_id(request), read_quantity(request)
        actions = app().publisher_actions
        return operation_response(actions.change_quantity(id_, quantity, caller.id))

    return respond(req, handle)


@blueprint.route(route=f"{ONE}/cancel", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_cancel(req: func.HttpRequest) -> func.HttpResponse:
    """Ask the Marketplace for the end of a subscription."""
    from shared.api.subscriptions import operation_response, subscription_id

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return operation_response(
            app().publisher_actions.cancel(subscription_id(request), caller.id)
        )

    return respond(req, handle)


@blueprint.route(route=f"{ONE}/activate", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_activate(req: func.HttpRequest) -> func.HttpResponse:
    """Set up a purchase whose buyer does not come, and start its billing."""
    from shared.api.subscriptions import adopted_response, read_account, subscription_id

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        id_, account = subscription_id(request), read_account(request)
        return adopted_response(app().adopt(id_, account, caller.id, pending=True))

    return respond(req, handle)


@blueprint.route(route=f"{ONE}/adopt", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_adopt(req: func.HttpRequest) -> func.HttpResponse:
    """Set up what was activated elsewhere, or let it pay for an account that exists."""
    from shared.api.subscriptions import adopted_response, read_account, subscription_id

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        id_, account = subscription_id(request), read_account(request)
        return adopted_response(app().adopt(id_, account, caller.id))

    return respond(req, handle)


@blueprint.route(
    route="api/accounts/{code}/personal-data",
    methods=["DELETE"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
def delete_personal_data(req: func.HttpRequest) -> func.HttpResponse:
    """Erase what names people, once a customer has been gone for a week."""
    from shared.api.subscriptions import account_code, erased_response

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers)
        return erased_response(app().erase_account(account_code(request), caller.id))

    return respond(req, handle)
