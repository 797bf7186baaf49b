"""The SaaS fulfillment API: purchases, subscriptions and operations, by its documented rules."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, assert_never
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from shared.domain.errors import InvalidInput, Rejected, Throttled, Unavailable
from shared.domain.ids import SubscriptionId, is_guid
from shared.domain.lifecycle.available_plan import AvailablePlan
from shared.domain.lifecycle.operation import Operation, OperationStatus
from shared.domain.lifecycle.purchase import MarketplaceSubscription, Purchase
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.marketplace import convert
from shared.marketplace.transport import Busy, NoAnswer, NotSent, Refusal, Success, Transport

MAX_TOKEN: Final = 8192
MAX_ID: Final = 256
MAX_PAGES: Final = 10_000

_BASE: Final = "/api/saas/subscriptions"
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


class MarketplaceFulfillment:
    """The port ``Fulfillment`` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def resolve(self, token: str) -> Purchase:
        """What a buyer's marketplace token stands for, whether or not it is URL-decoded yet."""
        headers = {"x-ms-marketplace-token": _decoded(token)}
        try:
            answer = self._call("POST", f"{_BASE}/resolve", headers=headers)
        except Rejected as no:
            if no.status == _BAD_REQUEST:
                raise InvalidInput("the marketplace token is malformed or expired") from no
            raise
        return Purchase(_read(convert.subscription_of, _subscription_shape(answer.body)))

    def activate(self, subscription: SubscriptionId, plan: str, quantity: int | None) -> None:
        """Start billing. A refusal is fine when the subscription turns out to be active."""
        body: dict[str, object] = {"planId": plan}
        if quantity is not None:
            body["quantity"] = quantity
        try:
            self._call("POST", f"{_of(subscription)}/activate", body=body)
        except Rejected as no:
            if no.status not in {_BAD_REQUEST, _CONFLICT}:
                raise
            known = self.get(subscription)
            if known is None or known.status is not SubscriptionStatus.SUBSCRIBED:
                raise

    def get(self, subscription: SubscriptionId) -> MarketplaceSubscription | None:
        """The Marketplace's view of one subscription."""
        answer = self._get(_of(subscription))
        return None if answer is None else _read(convert.subscription_of, answer.body)

    def list_subscriptions(self) -> Iterator[MarketplaceSubscription]:
        """Every subscription that can be read, page by page.

        Only the query of ``@nextLink`` is followed, so a token never goes to another host.
        """
        params: Mapping[str, str] = {}
        for _ in range(MAX_PAGES):
            body = self._call("GET", _BASE, params=params).body
            yield from _readable(convert.subscription_of, _listed(body, "subscriptions"))
            link = convert.text_of(convert.mapping(body).get("@nextLink"))
            following = dict(parse_qsl(urlsplit(link).query))
            if not link:
                return
            if not following or following == params:
                raise Unavailable("the list of subscriptions leads in a circle")
            params = following
        raise Unavailable("the list of subscriptions has no end")

    def available_plans(
        self, subscription: SubscriptionId, plan: str | None = None
    ) -> tuple[AvailablePlan, ...]:
        """The plans a subscription may be on; with ``plan``, that one and its source offers."""
        params = {} if plan is None else {"planId": plan}
        answer = self._call("GET", f"{_of(subscription)}/listAvailablePlans", params=params)
        return tuple(_readable(convert.available_plan_of, _listed(answer.body, "plans")))

    def operation(self, subscription: SubscriptionId, operation: str) -> Operation | None:
        """One operation of a subscription, as the Marketplace knows it."""
        answer = self._get(_operation_path(subscription, operation))
        return None if answer is None else _read(_operations_of(subscription), answer.body)

    def outstanding_operations(self, subscription: SubscriptionId) -> tuple[Operation, ...]:
        """Operations that wait for an answer."""
        answer = self._call("GET", f"{_of(subscription)}/operations")
        return tuple(_readable(_operations_of(subscription), _listed(answer.body, "operations")))

    def answer_operation(
        self, subscription: SubscriptionId, operation: str, status: OperationStatus
    ) -> None:
        """Tell how an operation ended here; 409 says that a newer update was fulfilled already."""
        try:
            self._call(
                "PATCH", _operation_path(subscription, operation), body={"status": status.value}
            )
        except Rejected as no:
            if no.status != _CONFLICT:
                raise

    def change_plan(self, subscription: SubscriptionId, plan: str) -> str:
        """Ask for another plan; returns the id of the operation to watch."""
        return self._begin("PATCH", subscription, {"planId": plan})

    def change_quantity(self, subscription: SubscriptionId, quantity: int) -> str:
        """Ask for another number of seats; returns the id of the operation to watch."""
        return self._begin("PATCH", subscription, {"quantity": quantity})

    def cancel(self, subscription: SubscriptionId) -> str:
        """Ask for the end of a subscription; returns the id of the operation to watch."""
        return self._begin("DELETE", subscription, None)

    def _begin(
        self, method: str, subscription: SubscriptionId, body: Mapping[str, object] | None
    ) -> str:
        answer = self._call(method, _of(subscription), body=body)
        path = urlsplit(answer.operation_location).path
        before, found, last = path.rpartition("/operations/")
        operation = unquote(last.strip("/"))
        if not found or not before or not _is_operation_id(operation):
            raise Unavailable("the change was taken without naming its operation")
        return operation

    def _get(self, path: str) -> Success | None:
        """The answer to a GET, ``None`` when there is no such thing."""
        try:
            return self._call("GET", path)
        except Rejected as no:
            if no.status == _NOT_FOUND:
                return None
            raise

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Success:
        text = None if body is None else json.dumps(body)
        outcome = self._transport.call(method, path, params=params, headers=headers, body=text)
        match outcome:
            case Success():
                return outcome
            case Refusal(status):
                raise Rejected(f"the Marketplace answered HTTP {status}", status)
            case Busy(retry_after):
                raise Throttled("the Marketplace is throttling", retry_after)
            case NotSent(reason) | NoAnswer(reason):
                raise Unavailable(f"the Marketplace gave no answer: {reason}")
            case _:
                assert_never(outcome)


def _decoded(token: str) -> str:
    """The token as the API wants it. Raises ``InvalidInput`` when it cannot be one.

    A token is base64: reading a query turns an unencoded plus into a space, never the reverse.
    """
    text = unquote(token).replace(" ", "+")
    if not text or len(text) > MAX_TOKEN or not (text.isascii() and text.isprintable()):
        raise InvalidInput("the marketplace token is malformed")
    return text


def _of(subscription: SubscriptionId) -> str:
    """The path of a subscription; its id comes from outside and must be a GUID."""
    identity = subscription.lower()
    if not is_guid(identity):
        raise InvalidInput("a subscription's id is a GUID")
    return f"{_BASE}/{identity}"


def _operation_path(subscription: SubscriptionId, operation: str) -> str:
    """The path of an operation; ids such as ``org:guid,guid`` have been seen."""
    if not _is_operation_id(operation):
        raise InvalidInput("this cannot be the id of an operation")
    return f"{_of(subscription)}/operations/{quote(operation, safe='')}"


def _is_operation_id(text: str) -> bool:
    """Dots alone would climb the path even when percent-encoded."""
    plain = text.isascii() and text.isprintable()
    return plain and bool(text.strip(". ")) and len(text) <= MAX_ID


def _subscription_shape(body: object) -> Mapping[str, object]:
    """What resolve says of the subscription; its own fields fill what the inner object lacks."""
    outer = convert.mapping(body)
    inner = convert.mapping(outer.get("subscription"))
    shape = {**outer, "name": outer.get("subscriptionName"), **inner}
    return shape if shape.get("id") == outer.get("id", shape.get("id")) else {}


def _operations_of(subscription: SubscriptionId) -> Callable[[object], Operation]:
    return partial(convert.operation_of, subscription=SubscriptionId(subscription.lower()))


def _read[T](reader: Callable[[object], T], body: object) -> T:
    try:
        return reader(body)
    except convert.NotReadable as fault:
        raise Unavailable(str(fault)) from fault


def _readable[T](reader: Callable[[object], T], listed: list[object]) -> Iterator[T]:
    """What can be read of a list: one odd entry costs no other."""
    for each in listed:
        try:
            found = reader(each)
        except convert.NotReadable:
            continue
        yield found


def _listed(body: object, name: str) -> list[object]:
    return _read(lambda value: convert.items(value, name), body)
