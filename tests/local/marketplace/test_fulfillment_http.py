"""The fulfillment API over HTTP: every documented status and shape."""

from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.marketplace import defaults
from local.marketplace.catalog import add_months
from tests.local.marketplace.site import Json, Site

BASE = "/api/saas/subscriptions"


def resolve(site: Site, token: str) -> requests.Response:
    """Resolve a landing page token."""
    return site.call("POST", f"{BASE}/resolve", headers={"x-ms-marketplace-token": token})


def test_resolve_wants_the_decoded_token(site: Site) -> None:
    order = {"offerId": defaults.OFFER, "planId": "users", "quantity": 20, "name": "Mine"}
    bought = site.control("POST", "/purchases", order).json()
    query = urlsplit(bought["landingPage"]).query
    (decoded,) = parse_qs(query)["token"]
    assert decoded == bought["token"]
    answer = resolve(site, decoded)
    body = answer.json()
    assert answer.status_code == 200
    top = {name: body[name] for name in ("id", "subscriptionName", "offerId", "planId", "quantity")}
    assert top == {
        "id": bought["subscriptionId"],
        "subscriptionName": "Mine",
        "offerId": defaults.OFFER,
        "planId": "users",
        "quantity": 20,
    }
    assert body["subscription"] == site.subscription(bought["subscriptionId"])
    for wrong in (query.removeprefix("token="), decoded.replace("+", " "), "", "nonsense"):
        assert resolve(site, wrong).status_code == 400
    site.advance(hours=24, seconds=1)
    assert resolve(site, decoded).status_code == 400
    fresh = site.control("POST", f"/subscriptions/{body['id']}/token").json()
    assert resolve(site, fresh["token"]).json()["id"] == body["id"]


def test_a_subscription_before_and_after_activation(site: Site) -> None:
    key = site.buy()
    pending = site.subscription(key)
    assert pending["saasSubscriptionStatus"] == "PendingFulfillmentStart"
    assert pending["term"] == {"termUnit": "P1M", "chargeDuration": None}
    for role in ("beneficiary", "purchaser"):
        assert set(pending[role]) == {"emailId", "objectId", "tenantId", "puid"}
    assert pending["quantity"] is None
    answer = site.call("POST", f"{BASE}/{key}/activate", {"planId": "standard", "quantity": ""})
    assert (answer.status_code, answer.content) == (200, b"")
    running = site.subscription(key)
    today = site.now().date()
    last = add_months(today, 1) - timedelta(days=1)
    assert running["saasSubscriptionStatus"] == "Subscribed"
    assert running["term"] == {
        "termUnit": "P1M",
        "chargeDuration": None,
        "startDate": f"{today}T00:00:00Z",
        "endDate": f"{last}T00:00:00Z",
    }


def test_activation_that_is_refused(site: Site) -> None:
    key = site.buy("users", quantity=3)
    path = f"{BASE}/{key}/activate"
    assert site.call("POST", path, {"planId": "scale"}).status_code == 400
    assert site.call("POST", path, {"planId": "users", "quantity": 4}).status_code == 400
    assert site.call("POST", path, {"planId": "users", "quantity": 3}).status_code == 200
    assert site.call("POST", path, {"planId": "users"}).status_code == 400
    site.act(key, "suspend")
    assert site.call("POST", path, {"planId": "users"}).status_code == 400
    site.act(key, "unsubscribe")
    assert site.call("POST", path, {"planId": "users"}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/activate"),
        ("GET", "/listAvailablePlans"),
        ("GET", "/operations"),
        ("GET", "/operations/x"),
    ],
)
def test_unknown_and_foreign_subscriptions(site: Site, method: str, path: str) -> None:
    body = {"planId": "scale"}
    unknown = site.call(method, f"{BASE}/no-such-subscription{path}", body)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NotFound")
    foreign = site.buy(foreign=True)
    expected = 404 if path == "/operations/x" else 403
    assert site.call(method, f"{BASE}/{foreign}{path}", body).status_code == expected
    headers = {"Authorization": ""}
    assert site.call(method, f"{BASE}/{foreign}{path}", body, headers=headers).status_code == 401


def test_the_list_comes_in_pages_of_100(site: Site) -> None:
    bought = [site.buy() for _ in range(201)]
    site.buy(foreign=True)
    site.act(bought[0], "unsubscribe")
    found: list[Json] = []
    sizes = []
    link = f"{site.url}{BASE}?api-version=2018-08-31"
    while link:
        headers = {"Authorization": f"Bearer {site.token}"}
        page = site.session.get(link, headers=headers, timeout=10).json()
        sizes.append(len(page["subscriptions"]))
        found += page["subscriptions"]
        link = page.get("@nextLink", "")
    assert sizes == [100, 100, 1]
    assert [item["id"] for item in found] == bought
    assert found[0]["saasSubscriptionStatus"] == "Unsubscribed"
    query = {"continuationToken": "x"}
    assert site.call("GET", BASE, query=query).status_code == 400


def test_available_plans(site: Site) -> None:
    key = site.buy()
    plans = site.call("GET", f"{BASE}/{key}/listAvailablePlans").json()["plans"]
    assert [plan["planId"] for plan in plans] == ["standard", "scale", "seats", "users"]
    seats, users = plans[2], plans[3]
    components = seats["planComponents"]
    (term,) = components["recurrentBillingTerms"]
    assert term["meteredQuantityIncluded"] == [
        {"dimensionId": "t1", "units": "100"},
        {"dimensionId": "t2", "units": "10"},
    ]
    assert components["meteringDimensions"][0] == {
        "id": "t1",
        "currency": "USD",
        "pricePerUnit": 4.5,
        "unitOfMeasure": "seat",
        "displayName": "Tier 1",
    }
    assert (seats["isPricePerSeat"], users["isPricePerSeat"]) == (False, True)
    assert (users["minQuantity"], users["maxQuantity"]) == (1, 1000)
    assert "sourceOffers" not in seats
    path = f"{BASE}/{key}/listAvailablePlans"
    (one,) = site.call("GET", path, query={"planId": "seats"}).json()["plans"]
    assert one["sourceOffers"] == []
    assert site.call("GET", path, query={"planId": "none"}).json() == {"plans": []}


def test_private_offers_show_their_source(site: Site) -> None:
    plan = {"id": "private", "isPrivate": True, "sourceOffers": ["offer-guid"]}
    site.control("POST", "/offers", {"id": "special", "plans": [plan]})
    key = site.buy("private", offerId="special")
    path = f"{BASE}/{key}/listAvailablePlans"
    (shown,) = site.call("GET", path, query={"planId": "private"}).json()["plans"]
    assert (shown["isPrivate"], shown["sourceOffers"]) == (True, [{"externalId": "offer-guid"}])


def test_change_plan_by_the_publisher(site: Site) -> None:
    key = site.subscribed()
    answer = site.call("PATCH", f"{BASE}/{key}", {"planId": "scale"})
    assert (answer.status_code, answer.content) == (202, b"")
    location = answer.headers["Operation-Location"]
    assert location.startswith(f"{site.url}{BASE}/{key}/operations/")
    headers = {"Authorization": f"Bearer {site.token}"}
    begun = site.session.get(location, headers=headers, timeout=10).json()
    assert (begun["action"], begun["status"], begun["planId"]) == (
        "ChangePlan",
        "InProgress",
        "scale",
    )
    assert set(begun) == {
        "id",
        "activityId",
        "subscriptionId",
        "offerId",
        "publisherId",
        "planId",
        "quantity",
        "action",
        "timeStamp",
        "status",
        "errorStatusCode",
        "errorMessage",
    }
    pending = site.call("GET", f"{BASE}/{key}/operations").json()
    assert pending == {"operations": [begun]}
    site.control("PATCH", "/options", {"listReinstateOnly": True})
    assert site.call("GET", f"{BASE}/{key}/operations").json() == {"operations": []}
    site.advance(seconds=10)
    assert site.operation(key, begun["id"])["status"] == "Succeeded"
    assert site.subscription(key)["planId"] == "scale"


def test_change_quantity_by_the_publisher(site: Site) -> None:
    key = site.subscribed("users", quantity=5)
    answer = site.call("PATCH", f"{BASE}/{key}", {"quantity": 8})
    assert answer.status_code == 202
    assert site.subscription(key)["quantity"] == 5
    site.advance(seconds=10)
    assert site.subscription(key)["quantity"] == 8


@pytest.mark.parametrize(
    "body",
    [
        {"planId": "scale", "quantity": 3},
        {"planId": "users"},
        {"planId": "none"},
        {"quantity": 5},
        {"quantity": 0},
        {"quantity": "8"},
        {"quantity": True},
        {},
    ],
)
def test_changes_that_are_refused(site: Site, body: Json) -> None:
    key = site.subscribed("users", quantity=5)
    answer = site.call("PATCH", f"{BASE}/{key}", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")
    assert site.call("GET", f"{BASE}/{key}/operations").json() == {"operations": []}


@pytest.mark.parametrize(
    ("status", "final", "plan"),
    [("Success", "Succeeded", "scale"), ("Failure", "Failed", "standard")],
)
def test_answering_an_operation(site: Site, status: str, final: str, plan: str) -> None:
    key = site.subscribed()
    operation = site.act(key, "changePlan", planId="scale")
    path = f"{BASE}/{key}/operations/{operation['id']}"
    assert site.call("PATCH", path, {"status": "Done"}).status_code == 400
    answer = site.call("PATCH", path, {"status": status})
    assert (answer.status_code, answer.content) == (200, b"")
    assert site.operation(key, operation["id"])["status"] == final
    assert site.subscription(key)["planId"] == plan
    other = {"Success": "Failure", "Failure": "Success"}[status]
    assert site.call("PATCH", path, {"status": other}).status_code == 409
    unknown = site.call("PATCH", f"{BASE}/{key}/operations/none", {"status": status})
    assert unknown.status_code == 404


def test_a_newer_update_already_fulfilled_is_a_conflict(site: Site) -> None:
    key = site.subscribed()
    older = site.act(key, "changePlan", planId="scale")
    newer = site.act(key, "changePlan", planId="seats")
    path = f"{BASE}/{key}/operations"
    assert site.call("PATCH", f"{path}/{newer['id']}", {"status": "Success"}).status_code == 200
    assert site.call("PATCH", f"{path}/{older['id']}", {"status": "Success"}).status_code == 409
    assert site.operation(key, older["id"])["status"] == "Conflict"
    assert site.subscription(key)["planId"] == "seats"


def test_delete(site: Site) -> None:
    key = site.subscribed()
    change = site.act(key, "changePlan", planId="scale")
    assert site.call("DELETE", f"{BASE}/{key}").status_code == 409
    path = f"{BASE}/{key}/operations/{change['id']}"
    site.call("PATCH", path, {"status": "Failure"})
    answer = site.call("DELETE", f"{BASE}/{key}")
    assert answer.status_code == 202
    operation = urlsplit(answer.headers["Operation-Location"]).path.rsplit("/", 1)[-1]
    assert site.operation(key, operation)["action"] == "Unsubscribe"
    site.advance(seconds=1)
    assert site.operation(key, operation)["status"] == "Succeeded"
    assert site.subscription(key)["saasSubscriptionStatus"] == "Unsubscribed"
    assert site.call("DELETE", f"{BASE}/{key}").status_code == 400


def test_purchases_by_a_reseller_are_read_only(site: Site) -> None:
    key = site.subscribed(byReseller=True)
    assert site.subscription(key)["allowedCustomerOperations"] == ["Read"]
    assert site.call("PATCH", f"{BASE}/{key}", {"planId": "scale"}).status_code == 400
    assert site.call("DELETE", f"{BASE}/{key}").status_code == 400


def test_time_cancels_what_is_not_activated_or_not_paid(site: Site) -> None:
    pending, unpaid = site.buy(), site.subscribed(termUnit="P1Y")
    site.act(unpaid, "suspend")
    site.advance(days=29)
    assert site.subscription(pending)["saasSubscriptionStatus"] == "PendingFulfillmentStart"
    assert site.subscription(unpaid)["saasSubscriptionStatus"] == "Suspended"
    site.advance(days=1)
    for key in (pending, unpaid):
        assert site.subscription(key)["saasSubscriptionStatus"] == "Unsubscribed"


def test_terms_renew_with_time(site: Site) -> None:
    key = site.subscribed(termUnit="P1Y")
    first = site.subscription(key)["term"]
    site.advance(days=366)
    second = site.subscription(key)["term"]
    started = date.fromisoformat(second["startDate"][:10])
    assert started == date.fromisoformat(first["endDate"][:10]) + timedelta(days=1)


@pytest.mark.parametrize(
    ("way", "shown"), [("null", {"quantity": None}), ("text", {"quantity": ""})]
)
def test_an_empty_quantity_has_three_faces(site: Site, way: str, shown: Json) -> None:
    key = site.buy()
    site.control("PATCH", "/options", {"emptyQuantity": way})
    assert shown.items() <= site.subscription(key).items()
    site.control("PATCH", "/options", {"emptyQuantity": "absent", "missingTermDates": True})
    site.act(key, "activate")
    bare = site.subscription(key)
    assert "quantity" not in bare
    assert "startDate" not in bare["term"]
