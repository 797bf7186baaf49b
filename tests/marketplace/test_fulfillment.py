"""What the fulfillment adapter makes of answers that are late, odd or broken."""

import json
from collections.abc import Callable

import pytest

from shared.domain.errors import InvalidInput, Rejected, Throttled, Unavailable
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.operation import OperationStatus
from shared.marketplace.fulfillment import MarketplaceFulfillment
from shared.marketplace.http import Timeouts
from shared.marketplace.transport import Transport
from tests.marketplace.stub import Asked, Drop, FixedTokens, Reply, Silence, Stub
from tests.marketplace.test_convert import FULL

ID = SubscriptionId("c0ffee00-0000-4000-8000-000000000001")
OPERATION = "c0ffee00-0000-4000-8000-000000000002"
BASE = "/api/saas/subscriptions"

type Call = Callable[[MarketplaceFulfillment], object]

CALLS: dict[str, Call] = {
    "resolve": lambda it: it.resolve("token"),
    "activate": lambda it: it.activate(ID, "standard", None),
    "get": lambda it: it.get(ID),
    "list": lambda it: list(it.list_subscriptions()),
    "plans": lambda it: it.available_plans(ID),
    "operation": lambda it: it.operation(ID, OPERATION),
    "outstanding": lambda it: it.outstanding_operations(ID),
    "answer": lambda it: it.answer_operation(ID, OPERATION, OperationStatus.SUCCESS),
    "change_plan": lambda it: it.change_plan(ID, "scale"),
    "change_quantity": lambda it: it.change_quantity(ID, 3),
    "cancel": lambda it: it.cancel(ID),
}


def adapter(stub: Stub) -> MarketplaceFulfillment:
    timeouts = Timeouts(connect=2, read=0.2, total=5)
    return MarketplaceFulfillment(Transport(stub.url, FixedTokens(), timeouts=timeouts))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(429, headers={"Retry-After": "3"}), Throttled),
        (Reply(500), Unavailable),
        (Reply(503), Unavailable),
        (Drop(), Unavailable),
        (Silence(), Unavailable),
        (Reply(200, "{"), Unavailable),
        (Reply(302, headers={"Location": "/"}), Unavailable),
        (Reply(403), Rejected),
        (Reply(401), Rejected),
    ],
)
def test_every_call_tells_these_answers_apart(
    stub: Stub, call: str, reply: Reply | Drop | Silence, error: type[Exception]
) -> None:
    stub.answer(reply)
    with pytest.raises(error) as caught:
        CALLS[call](adapter(stub))
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after == 3
    if isinstance(caught.value, Rejected):
        assert isinstance(reply, Reply)
        assert caught.value.status == reply.status


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (call, body)
        for call in ("resolve", "get", "list", "plans", "operation", "outstanding")
        for body in ("", "null", "[]", "{}", '"x"', '{"id": 5}')
    ],
)
def test_an_answer_that_lacks_what_it_must_have_is_no_answer(
    stub: Stub, call: str, body: str
) -> None:
    stub.answer(Reply(200, body))
    with pytest.raises(Unavailable):
        CALLS[call](adapter(stub))


def test_one_unreadable_subscription_costs_no_other(stub: Stub) -> None:
    odd = [None, {}, {**FULL, "saasSubscriptionStatus": "NotStarted"}, {**FULL, "id": "x"}]
    stub.answer(Reply(200, json.dumps({"subscriptions": [*odd, FULL]})))
    assert [each.id for each in adapter(stub).list_subscriptions()] == [ID]


def test_paging_follows_the_query_of_the_link_and_no_other_host(stub: Stub) -> None:
    link = "https://intruder.example/steal/?continuationToken=a%2Fb&api-version=1999"

    def script(asked: Asked) -> Reply:
        if "continuationToken" in asked.query:
            return Reply(200, json.dumps({"subscriptions": [FULL], "@nextLink": ""}))
        return Reply(200, json.dumps({"subscriptions": [FULL], "@nextLink": link}))

    stub.script = script
    assert len(list(adapter(stub).list_subscriptions())) == 2
    first, second = stub.asked
    assert (first.path, first.query) == (BASE, {"api-version": ["2018-08-31"]})
    assert second.path == BASE
    assert second.query == {"continuationToken": ["a/b"], "api-version": ["2018-08-31"]}


@pytest.mark.parametrize("link", [f"https://x{BASE}?continuationToken=1", "https://x/no-query"])
def test_paging_that_leads_nowhere_ends(stub: Stub, link: str) -> None:
    stub.answer(Reply(200, json.dumps({"subscriptions": [], "@nextLink": link})))
    with pytest.raises(Unavailable):
        list(adapter(stub).list_subscriptions())
    assert len(stub.asked) <= 2


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (OPERATION, OPERATION),
        (f"org:{OPERATION},{ID}", f"org%3A{OPERATION}%2C{ID}"),
        ("a/../../b?c#d", "a%2F..%2F..%2Fb%3Fc%23d"),
    ],
)
def test_operation_ids_are_encoded(stub: Stub, operation: str, path: str) -> None:
    stub.answer(Reply(404))
    assert adapter(stub).operation(ID, operation) is None
    (asked,) = stub.asked
    assert asked.path == f"{BASE}/{ID}/operations/{path}"


@pytest.mark.parametrize("odd", ["", ".", "..", ". .", "a\r\nb", "ü", "x" * 300])
def test_what_cannot_be_an_operation_is_not_asked_for(stub: Stub, odd: str) -> None:
    with pytest.raises(InvalidInput):
        adapter(stub).operation(ID, odd)
    assert stub.asked == []


def test_an_operation_of_another_subscription_is_not_believed(stub: Stub) -> None:
    shape = {"id": OPERATION, "subscriptionId": OPERATION, "action": "Renew", "status": "Succeeded"}
    stub.answer(Reply(200, json.dumps(shape)))
    with pytest.raises(Unavailable):
        adapter(stub).operation(ID, OPERATION)
    del shape["subscriptionId"]
    stub.answer(Reply(200, json.dumps(shape)))
    known = adapter(stub).operation(ID, OPERATION)
    assert known is not None
    assert known.subscription == ID


@pytest.mark.parametrize(
    ("location", "operation"),
    [
        (f"https://x{BASE}/{ID}/operations/{OPERATION}?api-version=2018-08-31", OPERATION),
        (f"{BASE}/{ID}/operations/{OPERATION}", OPERATION),
        (f"https://x{BASE}/{ID}/operations/org%3Aa%2Cb", "org:a,b"),
    ],
)
def test_a_change_names_its_operation(stub: Stub, location: str, operation: str) -> None:
    stub.answer(Reply(202, headers={"Operation-Location": location}))
    assert adapter(stub).change_plan(ID, "scale") == operation
    (asked,) = stub.asked
    assert (asked.method, asked.path) == ("PATCH", f"{BASE}/{ID}")
    assert json.loads(asked.body) == {"planId": "scale"}


@pytest.mark.parametrize("location", ["", "https://x/", f"https://x{BASE}/{ID}/operations/"])
def test_a_change_without_operation_is_unknown(stub: Stub, location: str) -> None:
    stub.answer(Reply(202, headers={"Operation-Location": location}))
    with pytest.raises(Unavailable, match="without naming its operation"):
        adapter(stub).cancel(ID)


def test_a_change_asks_for_one_thing(stub: Stub) -> None:
    stub.answer(Reply(202, headers={"Operation-Location": f"/operations{BASE}/operations/x"}))
    adapter(stub).change_quantity(ID, 3)
    adapter(stub).cancel(ID)
    quantity, cancel = stub.asked
    assert json.loads(quantity.body) == {"quantity": 3}
    assert (cancel.method, cancel.body) == ("DELETE", "")


@pytest.mark.parametrize(("quantity", "body"), [(None, {}), (7, {"quantity": 7})])
def test_activation_names_plan_and_seats(
    stub: Stub, quantity: int | None, body: dict[str, int]
) -> None:
    adapter(stub).activate(ID, "standard", quantity)
    (asked,) = stub.asked
    assert (asked.method, asked.path) == ("POST", f"{BASE}/{ID}/activate")
    assert json.loads(asked.body) == {"planId": "standard", **body}


def test_the_token_and_the_buyer_appear_in_no_error(stub: Stub) -> None:
    shape = {**FULL, "planId": ""}
    for reply in (Reply(400, "top-secret"), Reply(403), Reply(200, json.dumps(shape)), Drop()):
        stub.answer(reply)
        with pytest.raises((InvalidInput, Rejected, Unavailable)) as caught:
            adapter(stub).resolve("top-secret")
        told = str(caught.value) + str(caught.value.__cause__)
        assert "top-secret" not in told
        assert "x.example" not in told


def test_a_purchase_is_read_from_what_there_is(stub: Stub) -> None:
    outer = {"id": ID, "subscriptionName": "Acme", "offerId": "o", "planId": "p", "quantity": 2}
    inner = {name: FULL[name] for name in ("saasSubscriptionStatus", "term")}
    stub.answer(Reply(200, json.dumps({**outer, "subscription": inner})))
    bought = adapter(stub).resolve("token").subscription
    assert (bought.id, bought.name, bought.offer, bought.plan, bought.quantity) == (
        ID,
        "Acme",
        "o",
        "p",
        2,
    )
    stub.answer(Reply(200, json.dumps({**outer, "id": OPERATION, "subscription": FULL})))
    with pytest.raises(Unavailable):
        adapter(stub).resolve("token")
