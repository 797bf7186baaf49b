"""Accounts, and what hangs on them, on the wire."""

from collections.abc import Callable

from shared.api.body import require_type
from shared.api.conditions import etag_header, page_size
from shared.api.convert import body, listed, to_json
from shared.api.objects import read
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.accounts.attachments import PlanOrder
from shared.domain.accounts.granting import (
    ChargeOrder,
    CreditOrder,
    GrantOrder,
    PrepaymentOrder,
)
from shared.domain.caller import Caller
from shared.domain.errors import Forbidden, NotFound
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import AccountCode, is_code
from shared.ports import Versioned
from shared.services.account_grants import Granted, Kind
from shared.services.account_plans import Attached
from shared.services.accounts import AccountPage, AccountQuery

PAGE = 50
MAX_PAGE = 200

KINDS: dict[str, tuple[Kind, type[GrantOrder]]] = {
    "prepayments": (Prepayment, PrepaymentOrder),
    "credits": (Credit, CreditOrder),
    "charges": (AdHocCharge, ChargeOrder),
}
"""What stands in the path of a grant, what it is stored as, and what orders it."""


def account_of(request: Request) -> AccountCode:
    """The account of the path. Raises ``NotFound`` for what no account is called."""
    code = request.route["code"]
    if not is_code(code):
        raise NotFound(f"there is no account {code[:64]}")
    return AccountCode(code)


def check_family(
    caller: Caller, code: AccountCode, payer_of: Callable[[AccountCode], AccountCode]
) -> None:
    """What a child owes is told with all that its parent and the other children owe. Raises
    ``Forbidden`` for a caller that does not reach the parent, and ``NotFound``."""
    if caller.accounts is None:
        return
    payer = payer_of(code)
    if not caller.may_use(payer):
        raise Forbidden(f"{code} is billed with {payer}, which the caller does not reach")


def read_account(request: Request) -> Account:
    """An account from a request."""
    require_type(request.headers, "application/json")
    return read(Account, request.body)


def read_plan(request: Request) -> PlanOrder:
    """A plan to be attached."""
    require_type(request.headers, "application/json")
    return read(PlanOrder, request.body)


def read_grant(request: Request) -> GrantOrder:
    """A prepayment, a credit or a charge."""
    require_type(request.headers, "application/json")
    _, order = KINDS[request.route["kind"]]
    return read(order, request.body)


def kind_of(request: Request) -> Kind:
    """What the path is about."""
    return KINDS[request.route["kind"]][0]


def account_query(request: Request, caller: Caller) -> AccountQuery:
    """Which accounts a request asks for, of those its caller may read. Raises ``InvalidInput``."""
    query = request.query
    return AccountQuery(
        after=query.get("cursor", ""),
        limit=page_size(query, PAGE, MAX_PAGE),
        code=query.get("code", ""),
        name=query.get("name", ""),
        only=caller.accounts,
    )


def account_view(record: AccountRecord) -> dict[str, object]:
    """An account with all that hangs on it."""
    account = record.account
    return {
        "code": account.code,
        "name": account.name,
        "timeZone": account.time_zone,
        "currency": account.currency,
        "epoch": account.epoch,
        "parent": account.parent,
        "custom": account.custom,
        "formerCustom": record.former,
        "children": record.children,
        "plans": record.plans,
        "prepayments": record.prepayments,
        "credits": record.credits,
        "charges": record.charges,
        "subscriptions": record.subscriptions,
    }


def account_response(stored: Versioned[AccountRecord]) -> Response:
    """One account."""
    return Response(200, body(account_view(stored.value)), etag_header(stored.etag))


def created_response(stored: Versioned[AccountRecord]) -> Response:
    """A new account."""
    headers = {"Location": f"/api/accounts/{stored.value.account.code}"}
    return Response(201, body(account_view(stored.value)), headers | etag_header(stored.etag))


def page_response(page: AccountPage) -> Response:
    """Some accounts; ``cursor`` asks for the next ones."""
    accounts = [account_view(record) for record in page.records]
    return Response(200, body({"accounts": accounts, "cursor": page.after}))


def plans_response(stored: Versioned[AccountRecord]) -> Response:
    """The plans attached to an account."""
    return Response(200, listed("plans", stored.value.plans), etag_header(stored.etag))


def plan_response(code: str, attached: Attached, status: int = 200) -> Response:
    """One attachment."""
    place = f"/api/accounts/{code}/plans/{attached.plan.id}"
    return _item(attached.plan, place, status, attached.etag)


def grants_response(stored: Versioned[AccountRecord], name: str) -> Response:
    """All prepayments, credits or charges of an account."""
    found = {
        "prepayments": stored.value.prepayments,
        "credits": stored.value.credits,
        "charges": stored.value.charges,
    }[name]
    return Response(200, listed(name, found), etag_header(stored.etag))


def grant_response(request: Request, granted: Granted, status: int = 200) -> Response:
    """One prepayment, credit or charge."""
    place = f"/api/accounts/{request.route['code']}/{request.route['kind']}/{granted.grant.id}"
    return _item(granted.grant, place, status, granted.etag)


def gone_response(etag: str | None = None) -> Response:
    """Something was taken away; the version is the account's."""
    return Response(204, "", etag_header(etag))


def _item(
    item: AccountPlan | Prepayment | Credit | AdHocCharge,
    place: str,
    status: int,
    etag: str | None,
) -> Response:
    headers = etag_header(etag)
    if status == 201:
        headers["Location"] = place
    return Response(status, body(to_json(item)), headers)
