"""Subscriptions, their operations and what publishers order for them, on the wire."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from shared import telemetry
from shared.api.convert import body, listed, to_json
from shared.api.objects import read
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.account import AccountRecord
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import AccountCode, SubscriptionId, is_code, is_guid
from shared.domain.lifecycle.operation import OperationRecord
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.wire import WIRE
from shared.services.reconcile_subscriptions import Reconciled
from shared.services.subscription_queries import SubscriptionView


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """The Marketplace plan to change to."""

    __pydantic_config__: ClassVar = WIRE

    plan: str


@dataclass(frozen=True, slots=True)
class QuantityOrder:
    """The number of seats to change to."""

    __pydantic_config__: ClassVar = WIRE

    quantity: Decimal


@dataclass(frozen=True, slots=True)
class AccountOrder:
    """The account to set up; by default one of the subscription's own id."""

    __pydantic_config__: ClassVar = WIRE

    account: str | None = None


def subscription_id(request: Request) -> SubscriptionId:
    """The subscription of the path. Raises ``InvalidInput`` for what is no GUID."""
    text = request.route["id"].strip().lower()
    if not is_guid(text):
        raise InvalidInput("a subscription's id is a GUID")
    return SubscriptionId(text)


def account_code(request: Request) -> AccountCode:
    """The account of the path. Raises ``InvalidInput`` for what is no code."""
    text = request.route["code"]
    if not is_code(text):
        raise InvalidInput("this is no account's code")
    return AccountCode(text)


def read_plan(request: Request) -> str:
    """The plan of a body."""
    return read(PlanOrder, request.body).plan


def read_quantity(request: Request) -> int:
    """The whole quantity of a body. Raises ``InvalidInput``."""
    quantity = read(QuantityOrder, request.body).quantity
    if quantity != quantity.to_integral_value():
        raise InvalidInput(
            "the body cannot be used", [FieldError("/quantity", "must be a whole number")]
        )
    return int(quantity)


def read_account(request: Request) -> str | None:
    """The account of a body, which may be left out whole."""
    return read(AccountOrder, request.body).account if request.body.strip() else None


def subscriptions_response(found: Iterable[tuple[AccountCode, Subscription]]) -> Response:
    """Every subscription with its account."""
    return Response(200, listed("subscriptions", [_view(code, sold) for code, sold in found]))


def subscription_response(view: SubscriptionView) -> Response:
    """One subscription with its operations, newest first, and its account's audit trail."""
    document = {
        **_view(view.account, view.subscription),
        "operations": [operation_view(record) for record in view.operations],
        "audit": list(view.audit),
    }
    return Response(200, body(document))


def operation_response(record: OperationRecord) -> Response:
    """202 with the place to look at while an operation is under way, 200 once it is done."""
    operation = record.operation
    text = json.dumps(to_json(operation_view(record)), ensure_ascii=False)
    place = f"/api/subscriptions/{operation.subscription}/operations/{operation.id}"
    return Response(200 if record.done else 202, text, {"Location": place})


def operation_view(record: OperationRecord) -> dict[str, object]:
    """An operation as we know it."""
    operation, decision = record.operation, record.decision
    return {
        "id": operation.id,
        "action": operation.action,
        "status": operation.status,
        "plan": operation.plan,
        "quantity": operation.quantity,
        "at": operation.at,
        "received": record.received,
        "origin": record.origin,
        "by": record.by or None,
        "accepted": decision.accepted if decision else None,
        "reason": (decision.reason or None) if decision else None,
        "done": record.done,
    }


def adopted_response(record: AccountRecord) -> Response:
    """The account that a subscription was set up for."""
    sold = record.subscriptions[-1]
    return Response(200, body(_view(record.account.code, sold)))


def erased_response(record: AccountRecord) -> Response:
    """What is left of an account."""
    return Response(200, body({"account": record.account.code, "erased": True}))


def report_reconciled(report: Reconciled) -> None:
    """Log a reconciliation; what failed is logged as an error, so that an alert sees it."""
    telemetry.event(
        "subscriptions_reconciled",
        level=logging.ERROR if report.failed else logging.INFO,
        compared=report.compared,
        repaired=len(report.repaired),
        resumed=report.resumed,
        findings=len(report.findings),
        failed=len(report.failed),
    )


def reconciled_response(report: Reconciled) -> Response:
    """What a reconciliation found and did."""
    document = {
        "compared": report.compared,
        "repaired": report.repaired,
        "resumed": report.resumed,
        "failed": report.failed,
        "findings": report.findings,
    }
    return Response(200, body(document))


def _view(code: AccountCode, sold: Subscription) -> dict[str, object]:
    return {
        "id": sold.id,
        "account": code,
        "name": sold.name,
        "offer": sold.offer,
        "plan": sold.plan,
        "quantity": sold.quantity,
        "status": sold.status,
        "start": sold.start,
        "end": sold.end,
        "termStart": sold.term_start,
        "termEnd": sold.term_end,
        "termUnit": sold.term_unit or None,
        "spells": sold.spells,
        "unpriced": sold.unpriced,
        "answers": sold.answers,
    }
