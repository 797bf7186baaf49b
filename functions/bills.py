"""Bills: made, read, approved, locked, previewed; simulations, and what a bill is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()

ONE = "api/bills/{id}"
EXPLAIN = "api/accounts/{code}/explain"


@blueprint.timer_trigger(schedule="0 35 6 * * *", arg_name="timer", run_on_startup=False)
def make_bills(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding needs its name
    """Every morning: make the bills of all periods that have ended."""
    app().run_bills.start_due()


@blueprint.route(route="api/bills", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_bills(req: func.HttpRequest) -> func.HttpResponse:
    """Bills, newest period first."""
    from shared.api.bills import account_asked, page_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers, account_asked(request))
        return page_response(app().bills, request)

    return respond(req, handle)


@blueprint.route(route="api/bills/run", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def run_bills(req: func.HttpRequest) -> func.HttpResponse:
    """Make the bills of one account, or of all as a job."""
    from shared.api.bills import run_response

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return run_response(app().bills, app().run_bills, request, app().clock.now())

    return respond(req, handle)


@blueprint.route(route="api/bills/jobs/{job}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_bill_job(req: func.HttpRequest) -> func.HttpResponse:
    """How far a job is."""
    from shared.api.bills import job_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return job_response(app().run_bills.progress(request.route["job"]))

    return respond(req, handle)


@blueprint.route(route=ONE, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_bill(req: func.HttpRequest) -> func.HttpResponse:
    """One bill as JSON, CSV or a page to print."""
    from shared.api.bills import account_billed, bill_response, csv_response, shown, wants

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers, account_billed(request))
        bill, form = shown(app().bills.get(request.route["id"]), request), wants(request)
        if form == "html":
            from shared.console.bill_page import bill_page

            return bill_page(bill, app().bills.letterhead(bill))
        return csv_response([bill], f"{bill.id}.csv") if form == "csv" else bill_response(bill)

    return respond(req, handle)


@blueprint.route(
    route=ONE + "/{action:regex(^(approve|lock|recalculate)$)}",
    methods=["POST"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
def change_bill(req: func.HttpRequest) -> func.HttpResponse:
    """Approve, lock or recalculate a bill."""
    from shared.api.bills import account_billed, act, bill_response

    def handle(request: Request) -> Response:
        caller = app().authorize.billing_admin(request.headers, account_billed(request))
        return bill_response(act(app().bills, request, caller.id))

    return respond(req, handle)


@blueprint.route(
    route="api/accounts/{code}/preview", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
def get_bill_preview(req: func.HttpRequest) -> func.HttpResponse:
    """The bill of the running period as it would be now."""
    from shared.api.account_documents import account_of, check_family
    from shared.api.bills import bills_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        caller = app().authorize.billing_read(request.headers, code)
        check_family(caller, code, app().accounts.payer)
        return bills_response(app().bills.preview(code))

    return respond(req, handle)


@blueprint.route(route="api/simulations", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def post_simulation(req: func.HttpRequest) -> func.HttpResponse:
    """The bills that a plan would make."""
    from shared.api.bills import simulation_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return simulation_response(app().simulate, request)

    return respond(req, handle)


@blueprint.route(route=EXPLAIN, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_explanation(req: func.HttpRequest) -> func.HttpResponse:
    """What was sent for an account, and the lines that it was sent for."""
    from shared.api.account_documents import account_of, check_family
    from shared.api.explain import story_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        caller = app().authorize.billing_read(request.headers, code)
        check_family(caller, code, app().accounts.payer)
        return story_response(app().explain, code)

    return respond(req, handle)


@blueprint.route(route=f"{EXPLAIN}/hours", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_explained_hours(req: func.HttpRequest) -> func.HttpResponse:
    """The hours of usage that lines are made of, page by page."""
    from shared.api.account_documents import account_of
    from shared.api.explain import hours_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        app().authorize.billing_read(request.headers, code)
        return hours_response(app().explain, code, request)

    return respond(req, handle)


@blueprint.route(route=f"{EXPLAIN}/events", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_explained_events(req: func.HttpRequest) -> func.HttpResponse:
    """The events that an hour is made of, page by page."""
    from shared.api.account_documents import account_of
    from shared.api.explain import events_response

    def handle(request: Request) -> Response:
        code = account_of(request)
        app().authorize.billing_read(request.headers, code)
        return events_response(app().explain, code, request)

    return respond(req, handle)
