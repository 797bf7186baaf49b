"""The metering API over HTTP: every documented status and shape."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from local.marketplace import defaults
from local.marketplace.wire import loads, stamp
from tests.local.marketplace.site import Json, Site, event

HOUR = timedelta(hours=1)
SINGLE, BATCH, REPORT = "/api/usageEvent", "/api/batchUsageEvent", "/api/usageEvents"
NEVER = "0001-01-01T00:00:00"
ARM = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Solutions/applications/app"


@pytest.fixture
def resource(site: Site) -> str:
    """A subscription that has been active for two days."""
    found = site.subscribed()
    site.advance(days=2)
    return found


def send(site: Site, *items: object) -> list[Json]:
    """A batch; its items."""
    answer = site.call("POST", BATCH, {"request": list(items)})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["count"] == len(body["result"])
    result: list[Json] = body["result"]
    return result


def exact(answer: requests.Response) -> Any:  # noqa: ANN401 - JSON
    """The body with decimals as they were written."""
    return loads(answer.content)


def test_single_accepted(site: Site, resource: str) -> None:
    item = event(resource, site.now() - HOUR, quantity=Decimal("12.3400"))
    answer = site.call("POST", SINGLE, item)
    body = exact(answer)
    assert answer.status_code == 200
    assert body.pop("usageEventId")
    assert body.pop("messageTime").endswith("Z")
    assert body == {**item, "status": "Accepted"}
    assert '"quantity":12.3400,' in answer.text


def test_single_conflict_tells_what_is_held(site: Site, resource: str) -> None:
    item = event(resource, site.now() - HOUR)
    first = site.call("POST", SINGLE, item).json()
    answer = site.call("POST", SINGLE, item | {"quantity": Decimal("7.5"), "planId": "scale"})
    assert answer.status_code == 409
    assert answer.json() == {
        "additionalInfo": {"acceptedMessage": first | {"status": "Duplicate"}},
        "message": "This usage event already exist.",
        "code": "Conflict",
    }


@pytest.mark.parametrize(
    ("other", "target"),
    [
        ({"resourceId": None}, "ResourceId"),
        ({"quantity": 0}, "Quantity"),
        ({"quantity": "5"}, "Quantity"),
        ({"dimension": "none"}, "Dimension"),
        ({"planId": "none"}, "PlanId"),
        ({"effectiveStartTime": "2000-01-01T00:00:00"}, "EffectiveStartTime"),
        ({"effectiveStartTime": "2100-01-01T00:00:00"}, "EffectiveStartTime"),
    ],
)
def test_single_bad_request(site: Site, resource: str, other: Json, target: str) -> None:
    item = {name: v for name, v in (event(resource, site.now()) | other).items() if v is not None}
    answer = site.call("POST", SINGLE, item)
    body = answer.json()
    assert answer.status_code == 400
    assert (body["code"], body["target"]) == ("BadArgument", "usageEventRequest")
    assert body["message"]
    (detail,) = body["details"]
    assert (detail["code"], detail["target"]) == ("BadArgument", target)
    assert detail["message"]


def test_single_for_a_subscription_that_is_not_subscribed(site: Site) -> None:
    answer = site.call("POST", SINGLE, event(site.buy(), site.now()))
    assert answer.status_code == 400
    assert answer.json()["details"][0]["target"] == "ResourceId"


def test_single_forbidden_for_a_foreign_or_fresh_resource(site: Site) -> None:
    for order in ({"foreign": True}, {"notAuthorizedForSeconds": 600}):
        answer = site.call("POST", SINGLE, event(site.buy(**order), site.now()))
        assert (answer.status_code, answer.json()["code"]) == (403, "Forbidden")


def test_bodies_that_are_not_json(site: Site) -> None:
    for path in (SINGLE, BATCH):
        answer = site.session.post(
            site.url + path,
            data=b'{"quantity": NaN',
            params={"api-version": "2018-08-31"},
            headers={"Authorization": f"Bearer {site.token}"},
            timeout=5,
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "BadArgument")


def test_batch_gives_every_item_its_own_status(site: Site, resource: str) -> None:
    now = site.now()
    suspended, foreign = site.subscribed(), site.buy(foreign=True)
    site.act(suspended, "suspend")
    taken = event(resource, now - HOUR)
    site.call("POST", SINGLE, taken)
    items = {
        "Accepted": event(resource, now - 2 * HOUR),
        "Duplicate": taken | {"quantity": Decimal(9)},
        "Expired": event(resource, now - timedelta(hours=24, seconds=5)),
        "ResourceNotFound": event("no-such-resource", now),
        "ResourceNotAuthorized": event(foreign, now),
        "ResourceNotActive": event(suspended, now),
        "InvalidDimension": event(resource, now - 3 * HOUR, dimension="t1"),
        "InvalidQuantity": event(resource, now - 4 * HOUR, quantity=-1),
        "BadArgument": {"resourceId": resource},
    }
    answered = {item["status"]: item for item in send(site, *items.values())}
    assert set(answered) == set(items)
    for status, item in answered.items():
        for name in ("resourceId", "dimension", "planId"):
            assert item.get(name) == items[status].get(name)
        if status == "Accepted":
            assert item["usageEventId"]
            assert "error" not in item
        else:
            assert item["messageTime"] == NEVER
            assert item["error"]["code"] == ("Conflict" if status == "Duplicate" else status)
            assert item["error"]["message"]
    held = answered["Duplicate"]["error"]["additionalInfo"]["acceptedMessage"]
    assert (held["quantity"], held["status"]) == (1.0, "Duplicate")
    assert answered["Duplicate"]["quantity"] == 9.0


def test_a_future_time_answers_expired_in_the_same_words(site: Site, resource: str) -> None:
    now = site.now()
    old, future = event(resource, now - 25 * HOUR), event(resource, now + HOUR)
    first, second = send(site, old, future)
    assert first["status"] == second["status"] == "Expired"
    assert first["error"] == second["error"]


def test_the_same_hour_twice_in_one_batch(site: Site, resource: str) -> None:
    item = event(resource, site.now() - HOUR)
    statuses = [found["status"] for found in send(site, item, item)]
    assert sorted(statuses) == ["Accepted", "Duplicate"]
    assert len(site.accepted()) == 1


@pytest.mark.parametrize("size", [0, 26])
def test_batch_sizes_that_are_refused_whole(site: Site, resource: str, size: int) -> None:
    body = {"request": [event(resource, site.now() - HOUR)] * size}
    answer = site.call("POST", BATCH, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadArgument")
    assert site.accepted() == []


def test_25_items_are_taken_in_few_milliseconds(site: Site, resource: str) -> None:
    now = site.now()
    items = [event(resource, now - 0.9 * HOUR * n) for n in range(25)]
    assert len(send(site, *items)) == 25
    fastest = min(
        site.call("POST", BATCH, {"request": items}).elapsed.total_seconds() for _ in range(10)
    )
    assert fastest < 0.03


def test_batches_vary_in_order_and_zone_but_name_the_same_events(site: Site, resource: str) -> None:
    now = site.now()
    items = [event(resource, now - HOUR * n) for n in range(1, 5)]
    times = [item["effectiveStartTime"] for item in items]
    answered = [[found["effectiveStartTime"] for found in send(site, *items)] for _ in range(4)]
    orders = [[text.removesuffix("Z") for text in texts] for texts in answered]
    assert times in orders
    assert times[::-1] in orders
    assert {text.endswith("Z") for texts in answered for text in texts} == {True, False}
    site.control("PATCH", "/options", {"varyBatches": False})
    plain = [[found["effectiveStartTime"] for found in send(site, *items)] for _ in range(3)]
    assert plain == [times] * 3


def test_an_old_accepted_hour_answers_as_the_option_says(site: Site, resource: str) -> None:
    item = event(resource, site.now() - HOUR)
    assert send(site, item)[0]["status"] == "Accepted"
    site.advance(days=1)
    assert send(site, item)[0]["status"] == "Expired"
    site.control("PATCH", "/options", {"oldAccepted": "duplicate"})
    assert send(site, item)[0]["status"] == "Duplicate"


def test_a_managed_application_is_metered_by_uri(site: Site) -> None:
    order = {"offerId": defaults.MANAGED_OFFER, "resourceUri": ARM}
    managed = site.buy("appliance", **order)
    item = event("", site.now(), resourceId=None, resourceUri=ARM, planId="appliance")
    assert site.call("POST", SINGLE, item).json()["resourceUri"] == ARM
    (again,) = send(site, item)
    assert (again["status"], again["resourceUri"]) == ("Duplicate", ARM)
    assert "resourceId" not in again
    assert site.call("GET", "/api/saas/subscriptions").json() == {"subscriptions": []}
    assert site.call("GET", f"/api/saas/subscriptions/{managed}").status_code == 404
    site.act(managed, "suspend")
    assert site.deliveries() == []
    order |= {"planId": "appliance"}
    twice = site.session.post(f"{site.url}/control/purchases", json=order, timeout=5)
    assert twice.status_code == 409


def test_of_many_at_once_one_wins(site: Site, resource: str) -> None:
    now = site.now()
    items = [event(resource, now - HOUR, quantity=n) for n in range(1, 13)]

    def post(item: Json) -> tuple[int, int]:
        headers = {"Authorization": f"Bearer {site.token}"}
        url = f"{site.url}{SINGLE}?api-version=2018-08-31"
        return requests.post(url, json=item, headers=headers, timeout=5).status_code, item[
            "quantity"
        ]

    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(post, ({**item, "quantity": int(item["quantity"])} for item in items))
        )
    assert sorted(status for status, _ in answers) == [200] + [409] * 11
    (held,) = site.accepted()
    assert (200, held["quantity"]) in answers


def test_report_by_day_with_filters(site: Site, resource: str) -> None:
    now = site.now()
    times = [now - HOUR * n for n in range(20)]
    for time in times:
        site.call("POST", SINGLE, event(resource, time, quantity=Decimal("0.1")))
    start = stamp(now - timedelta(days=1))[:10]
    answer = site.call("GET", REPORT, query={"usageStartDate": start})
    rows = exact(answer)
    assert [row["usageDate"] for row in rows] == [
        f"{day}T00:00:00Z" for day in sorted({stamp(time)[:10] for time in times})
    ]
    for row in rows:
        count = sum(stamp(time)[:10] == row["usageDate"][:10] for time in times)
        assert row["submittedQuantity"] == row["processedQuantity"] == Decimal("0.1") * count
        assert row["submittedCount"] == count
    last = rows[-1]
    known = {
        "usageResourceId": resource,
        "dimension": "usage_fee",
        "planId": "standard",
        "planName": "Standard",
        "offerId": defaults.OFFER,
        "offerName": "Contoso AI",
        "offerType": "SaaS",
        "reconStatus": "Accepted",
    }
    assert known.items() <= last.items()
    for name in ("offerId", "planId", "dimension", "azureSubscriptionId", "reconStatus"):
        query = {"usageStartDate": start, name: last[name]}
        assert exact(site.call("GET", REPORT, query=query)) == rows
        query[name] = "other"
        assert exact(site.call("GET", REPORT, query=query)) == []
    until = {"usageStartDate": start, "UsageEndDate": "2000-01-01"}
    assert site.call("GET", REPORT, query=until).json() == []
    assert site.call("GET", REPORT).status_code == 400


def test_report_of_a_mismatch_and_of_a_rejection(site: Site, resource: str) -> None:
    now = site.now()
    site.call("POST", SINGLE, event(resource, now))
    query = {"usageStartDate": stamp(now)[:10]}
    order = {"resourceId": resource, "dimension": "usage_fee", "planId": "standard"}
    order |= {"day": f"{stamp(now)[:10]}T00:00:00Z"}
    mismatch = order | {"status": "Mismatch", "processedQuantity": 0.5}
    site.control("POST", "/usage/recon", mismatch)
    (row,) = site.call("GET", REPORT, query=query).json()
    assert (row["reconStatus"], row["submittedQuantity"]) == ("Mismatch", 1.0)
    assert (row["processedQuantity"], row["planName"]) == (0.5, "Standard")
    site.control("POST", "/usage/recon", order | {"status": "Rejected"})
    (row,) = site.call("GET", REPORT, query=query).json()
    assert (row["reconStatus"], row["processedQuantity"]) == ("Rejected", 0.0)
    assert (row["planName"], row["offerName"]) == ("", "")


@pytest.mark.parametrize(("method", "path"), [("POST", SINGLE), ("POST", BATCH), ("GET", REPORT)])
def test_the_door(site: Site, method: str, path: str) -> None:
    """Version and token are checked everywhere, identifiers are echoed everywhere."""
    ids = {"x-ms-requestid": "request-1", "x-ms-correlationid": "correlation-1"}
    answer = site.call(method, path, {}, headers=ids)
    assert ids.items() <= dict(answer.headers).items()
    fresh = site.call(method, path, {})
    assert fresh.headers["x-ms-requestid"] != fresh.headers["x-ms-correlationid"]
    assert site.call(method, path, {}, query={"api-version": "2017-01-01"}).status_code == 400
    for authorization in ("", "Bearer", "Bearer nonsense", "Basic abc"):
        headers = {"Authorization": authorization}
        assert site.call(method, path, {}, headers=headers).status_code == 401
    site.control("PATCH", "/options", {"noTokenStatus": 403})
    assert site.call(method, path, {}, headers={"Authorization": ""}).status_code == 403


WRONG_TOKENS: dict[str, tuple[Json, int]] = {
    "right": ({}, 400),
    "audience": ({"aud": defaults.API_APP}, 403),
    "tenant": ({"tid": defaults.OTHER_TENANT}, 403),
    "application": ({"appid": defaults.BACKEND_APP}, 403),
    "expired": ({"exp": 1_700_000_000}, 401),
    "not-yet": ({"nbf": 4_000_000_000}, 401),
}


@pytest.mark.parametrize(("claims", "status"), WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_only_the_configured_tenant_and_application_are_let_in(
    site: Site, claims: Json, status: int
) -> None:
    order = {
        "version": "v1",
        "clientId": defaults.MARKETPLACE_APP,
        "audience": defaults.MARKETPLACE_RESOURCE,
        "claims": claims,
    }
    site.token = site.control("POST", "/entra/token", order).json()["token"]
    assert site.call("POST", SINGLE, {}).status_code == status


def test_everything_sent_is_kept_with_its_answer(site: Site, resource: str) -> None:
    item = event(resource, site.now() - HOUR, quantity=Decimal("1.50"))
    ids = {"x-ms-requestid": "r", "x-ms-correlationid": "c"}
    answer = site.call("POST", SINGLE, item, headers=ids)
    log = site.control("GET", "/requests?target=metering")
    (entry,) = log.json()
    assert (entry["requestId"], entry["correlationId"], entry["status"]) == ("r", "c", 200)
    assert entry["response"] == answer.json()
    assert '"quantity":1.50' in log.text
    assert (entry["applied"], entry["answered"], entry["fault"]) == (True, True, None)
    assert site.control("GET", f"/requests?since={entry['number']}").json() == []
    (held,) = site.accepted()
    assert held["subscriptionId"] == resource
    totals = site.control("GET", "/usage/totals").json()
    assert [(row["dimension"], row["quantity"], row["events"]) for row in totals] == [
        ("usage_fee", 1.5, 1)
    ]
    assert json.dumps(entry["request"])
    assert site.token not in log.text
