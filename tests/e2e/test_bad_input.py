"""Everything wrong that can be sent: a clear answer each time, nothing lost, nothing revealed."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.clients import Product, checked
from local.marketplace import defaults
from local.stack import Stack

type Document = dict[str, Any]

NOT_A_TRACE = re.compile(r"Traceback|File \"|\.py\b|Exception")


@pytest.fixture(scope="module")
def account(stack: Stack) -> str:
    subscription, landing_page = stack.simulator.buy("standard", "Northwind Traders")
    stack.backend().confirm(landing_page)
    return subscription


def usage(account: str, id_: str, /, **changes: object) -> Document:
    event: Document = {
        "id": id_,
        "account": account,
        "meter": "requests",
        "time": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(),
        "data": {"contextTokens": 10, "generatedTokens": 1},
    }
    event.update(changes)
    return {name: value for name, value in event.items() if value is not None}


def post(
    product: Product, document: object, content_type: str = "application/json"
) -> requests.Response:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    response = product.send("POST", "/api/usage", body, content_type)
    assert not NOT_A_TRACE.search(response.text), response.text
    assert response.headers["x-ms-correlationid"]
    return response


def problem(response: requests.Response, status: int) -> Document:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"].startswith("application/problem+json")
    body: Document = response.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return body


@pytest.mark.parametrize(
    ("body", "content_type", "status", "says"),
    [
        pytest.param(b'{"id": "1",', "application/json", 400, "line 1, column", id="malformed"),
        pytest.param(b"", "application/json", 400, "empty", id="no-body"),
        pytest.param(b"[]", "application/json", 400, "no event", id="no-event"),
        pytest.param(b"\xff\xfe{}", "application/json", 400, "", id="not-utf-8"),
        pytest.param(b'{"id": NaN}', "application/json", 400, "NaN", id="nan"),
        pytest.param(b'{"id": 1e999}', "application/json", 400, "range", id="huge-exponent"),
        pytest.param(b"9" * 5000, "application/json", 400, "digits", id="5000-digits"),
        pytest.param(b'{"id":"a","id":"b"}', "application/json", 400, "twice", id="twice"),
        pytest.param(
            b'{"id":"\\ud800"}', "application/json", 400, "surrogate", id="half-a-character"
        ),
        pytest.param(b"[" * 100_000, "application/json", 400, "", id="deep"),
        pytest.param(b"{}", "text/plain", 415, "application/json", id="media-type"),
        pytest.param(
            b'"' + b"x" * 2_097_152 + b'"', "application/json", 413, "1,048,576", id="2-MiB"
        ),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_its_place(
    stack: Stack, body: bytes, content_type: str, status: int, says: str
) -> None:
    assert says in problem(post(stack.backend(), body, content_type), status)["detail"]


def test_more_than_a_thousand_events_are_refused_whole(stack: Stack, account: str) -> None:
    events = [usage(account, f"many-{number}") for number in range(1001)]
    assert "1,000" in problem(post(stack.backend(), events), 400)["detail"]
    # Nothing of them was stored: the first is new when it is sent alone.
    assert post(stack.backend(), events[0]).json()["accepted"] == 1


FAULTS: dict[str, tuple[Document, str]] = {
    "negative": ({"data": {"contextTokens": -1, "generatedTokens": 1}}, "/data/contextTokens"),
    "huge": ({"data": {"contextTokens": 10**18, "generatedTokens": 1}}, "/data/contextTokens"),
    "places": ({"data": {"contextTokens": 1e-12, "generatedTokens": 1}}, "/data/contextTokens"),
    "boolean": ({"data": {"contextTokens": True, "generatedTokens": 1}}, "/data/contextTokens"),
    "text": ({"data": {"contextTokens": "ten", "generatedTokens": 1}}, "/data/contextTokens"),
    "missing-field": ({"data": {"contextTokens": 1}}, "/data/generatedTokens"),
    "unknown-field": (
        {"data": {"contextTokens": 1, "generatedTokens": 1, "other": 1}},
        "/data/other",
    ),
    "unknown-name": ({"colour": "red"}, "/colour"),
    "no-zone": ({"time": "2026-11-22T08:00:00"}, "/time"),
    "no-time": ({"time": None}, "/time"),
    "not-a-time": ({"time": "yesterday"}, "/time"),
    "future": ({"time": "2999-01-01T00:00:00Z"}, "/time"),
    "too-old": ({"time": "2020-01-01T00:00:00Z"}, "/time"),
    "no-id": ({"id": None}, "/id"),
    "long-id": ({"id": "x" * 257}, "/id"),
    "account-tricks": ({"account": "../../x|y"}, "/account"),
    "meter-tricks": ({"meter": "a'b"}, "/meter"),
    "data-list": ({"data": [1]}, "/data"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_event_is_named_and_the_good_one_beside_it_is_stored(
    stack: Stack, account: str, name: str
) -> None:
    changes, pointer = FAULTS[name]
    good, bad = usage(account, f"good-{name}"), usage(account, f"bad-{name}", **changes)
    response = post(stack.backend(), [bad, good])
    assert response.status_code == 202, response.text
    refused, stored = response.json()["results"]
    assert refused["outcome"] == "invalid"
    assert pointer in [error["pointer"] for error in refused["errors"]]
    assert stored == {"id": f"good-{name}", "outcome": "accepted"}
    assert post(stack.backend(), [bad, good]).json()["results"][1]["outcome"] == "duplicate"


def test_all_faults_of_an_event_come_at_once(stack: Stack) -> None:
    response = post(stack.backend(), {"id": 1, "account": "a|b", "time": "x", "data": []})
    assert response.status_code == 400
    (result,) = response.json()["results"]
    pointers = {error["pointer"] for error in result["errors"]}
    assert pointers == {"/id", "/account", "/meter", "/time", "/data"}


def test_the_same_id_with_another_payload_is_refused(stack: Stack, account: str) -> None:
    event = usage(account, "reused")
    assert post(stack.backend(), event).json()["accepted"] == 1
    event["data"] = {"contextTokens": 11, "generatedTokens": 1}
    response = post(stack.backend(), event)
    assert response.status_code == 400
    assert "different payload" in response.json()["results"][0]["errors"][0]["message"]


@pytest.mark.parametrize("changes", [{"account": "nobody"}, {"meter": "nothing"}])
def test_an_unknown_account_or_meter_is_parked(
    stack: Stack, account: str, changes: Document
) -> None:
    event = usage(account, f"early-{'-'.join(changes)}", **changes)
    for _ in range(2):
        response = post(stack.backend(), event)
        assert response.status_code == 202
        assert response.json()["parked"] == 1
    parked = stack.administrator().get("/api/parked")["parked"]
    assert [p["event"]["id"] for p in parked].count(event["id"]) == 1


def test_parked_events_become_usage_when_their_account_appears(stack: Stack) -> None:
    subscription, landing_page = stack.simulator.buy("standard", "Late Comers")
    soon = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    event = usage(subscription, "before-activation", time=soon)
    assert post(stack.backend(), event).json()["parked"] == 1
    stack.backend().confirm(landing_page)
    replayed = checked(stack.administrator().send("POST", "/api/parked/replay"))
    assert replayed["stored"] == 1
    assert post(stack.backend(), event).json()["duplicate"] == 1


def test_no_credentials_no_entry(stack: Stack) -> None:
    for path, method in [("/api/usage", "POST"), ("/api/catalog", "GET"), ("/api/accounts", "GET")]:
        response = requests.request(method, stack.url + path, json={}, timeout=30)
        assert "Bearer" in response.headers["WWW-Authenticate"]
        problem(response, 401)
    problem(stack.backend().send("GET", "/api/catalog"), 403)


def test_a_key_of_one_account_cannot_report_for_another(stack: Stack, account: str) -> None:
    order = {"name": "only mine", "rights": ["Usage.Write"], "accounts": [account]}
    body = json.dumps(order).encode()
    made = checked(stack.administrator().send("POST", "/api/serviceusers", body))
    narrow = Product(stack.url, lambda: {"x-api-key": made["key"]})
    mine, theirs = usage(account, "keyed-1"), usage("someone-else", "keyed-2")
    outcomes = [r["outcome"] for r in post(narrow, [mine, theirs]).json()["results"]]
    assert outcomes == ["accepted", "invalid"]
    listed = json.dumps(stack.administrator().get("/api/serviceusers"))
    assert made["key"] not in listed


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"organization": {}}, id="name-missing"),
        pytest.param({"organization": {"name": "x"}, "plan": []}, id="unknown-name"),
        pytest.param(
            {
                "organization": {"name": "x"},
                "plans": [{"code": "p", "product": "none", "pricing": []}],
            },
            id="unknown-product",
        ),
    ],
)
def test_a_bad_catalogue_changes_nothing(stack: Stack, document: Document) -> None:
    before = stack.administrator().get("/api/catalog")
    body = json.dumps(document).encode()
    response = stack.administrator().send("PUT", "/api/catalog", body)
    assert response.status_code in (400, 412, 428), response.text
    assert stack.administrator().get("/api/catalog") == before


FORGED = ["none", "garbage", "customer", "foreign"]


def forged_headers(stack: Stack, kind: str) -> dict[str, str]:
    match kind:
        case "none":
            return {}
        case "garbage":
            return {"Authorization": "Bearer a.b.c"}
        case "customer":  # A good token of ours, which is not Partner Center's.
            return {"Authorization": f"Bearer {stack.simulator.administrator_token()}"}
        case _:  # Signed well, but for another application.
            made = stack.simulator.post(
                "/entra/token",
                {"version": "v2", "audience": defaults.OUTSIDER_APP, "claims": {}},
            )
            token = made.get("token") or made["access_token"]
            return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_webhook_changes_nothing(stack: Stack, account: str, kind: str) -> None:
    notice = {
        "id": "00000000-0000-4000-8000-000000000000",
        "subscriptionId": account,
        "action": "Unsubscribe",
        "status": "Succeeded",
    }
    response = requests.post(
        f"{stack.url}/api/webhook", json=notice, headers=forged_headers(stack, kind), timeout=30
    )
    problem(response, 401)
    (subscription,) = stack.administrator().get(f"/api/accounts/{account}")["subscriptions"]
    assert subscription["status"] == "Subscribed"


def test_a_bad_landing_link_says_what_to_do(stack: Stack) -> None:
    browser = requests.Session()
    browser.get(f"{stack.marketplace}/sign-in?who=buyer&back=/landing", timeout=30)
    for token in ("", "nonsense", "<script>alert(1)</script>"):
        response = browser.get(f"{stack.url}/landing", params={"token": token}, timeout=30)
        assert response.status_code == 400
        assert response.headers["Content-Type"].startswith("text/html")
        assert "portal" in response.text
        assert "<script>" not in response.text
