"""The life of subscriptions on the running stack: every documented notice, both versions of
tokens, every oddity that has been seen, the landing page, and the publisher's orders."""

import copy
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests
import yaml

from local.clients import checked, form_of
from local.marketplace import defaults
from local.samples.files import CATALOG
from local.stack import Stack, running_stack
from tests.e2e.parts.listener import Listener, listening
from tests.e2e.parts.subscriptions import (
    WITHIN,
    Document,
    act,
    bought,
    done,
    order,
    ours,
    theirs,
    until,
)

SECRET = "local-only-forwarding-secret-of-32-characters"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, endpoint: Listener) -> Iterator[Stack]:
    settings = {
        "FORWARD_URL": f"{endpoint.url}/events",
        "FORWARD_HOSTS": "127.0.0.1",
        "FORWARD_SECRET": SECRET,
        "PRODUCT_URL": "https://product.example/",
    }
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(directory, lambda *_: None, settings=settings) as (stack, _):
        catalog = yaml.safe_load(CATALOG.read_bytes())
        users = copy.deepcopy(catalog["plans"][0]) | {"code": "users", "name": "Users"}
        users["marketplace"] = [{"offer": defaults.OFFER, "plan": "users"}]
        catalog["plans"].append(users)
        body = yaml.safe_dump(catalog, default_flow_style=False).encode()
        checked(stack.administrator().send("PUT", "/api/catalog", body, "application/yaml"))
        yield stack


# --- every documented notice, in both versions of tokens


@pytest.fixture(params=["v1", "v2"])
def version(request: pytest.FixtureRequest, stack: Stack) -> str:
    url = f"{stack.simulator.url}/control/webhooks/settings"
    requests.patch(url, json={"tokenVersion": request.param}, timeout=30).raise_for_status()
    return str(request.param)


def test_every_notice_leads_to_the_marketplaces_state(stack: Stack, version: str) -> None:
    id_ = bought(stack, "users", 5)
    for action, body in (
        ("changePlan", {"planId": "standard"}),
        ("changePlan", {"planId": "users"}),
        ("changeQuantity", {"quantity": 8}),
        ("suspend", {}),
        ("reinstate", {}),
        ("renew", {}),
        ("notify", {"action": "Subscribe"}),
        ("unsubscribe", {}),
    ):
        told = act(stack, id_, action, **body)
        view, said = done(stack, id_, told["id"]), theirs(stack, id_)
        assert view["status"] == said["saasSubscriptionStatus"], action
        assert (view["plan"], view["quantity"]) == (said["planId"], said["quantity"]), action
        assert view["termEnd"][:10] == said["term"]["endDate"][:10], action
    mine = [d for d in stack.simulator.get("/webhooks") if d["subscriptionId"] == id_]
    tries = [(each["status"], each["tokenVersion"]) for d in mine for each in d["tries"]]
    assert tries == [(200, version)] * 8
    audited = {entry["action"] for entry in ours(stack, id_)["audit"]}
    assert audited >= {f"subscription.{what}" for what in ("status", "plan", "quantity", "termEnd")}


def test_a_plan_without_prices_is_refused_in_time(stack: Stack) -> None:
    id_ = bought(stack)
    told = act(stack, id_, "changePlan", planId="seats")
    view = done(stack, id_, told["id"])
    (operation,) = view["operations"]
    assert (operation["accepted"], operation["status"]) == (False, "Failed")
    assert "seats" in operation["reason"]
    assert theirs(stack, id_)["planId"] == view["plan"] == "standard"


def test_a_change_is_decided_before_the_webhook_answers(stack: Stack) -> None:
    id_ = bought(stack)
    told = act(stack, id_, "changePlan", planId="scale")
    (operation,) = [o for o in theirs(stack, id_)["operations"] if o["id"] == told["id"]]
    # Ten seconds have not passed on any clock: it was our answer.
    assert operation["status"] == "Succeeded"
    assert theirs(stack, id_)["planId"] == "scale"


# --- oddities


@pytest.mark.parametrize("quirk", ["compositeId", "missingTerm", "bare", "extraFields"])
@pytest.mark.parametrize("action", ["changePlan", "suspend", "renew"])
def test_odd_payloads_are_understood(stack: Stack, quirk: str, action: str) -> None:
    id_ = bought(stack)
    body = {"planId": "scale"} if action == "changePlan" else {}
    told = act(stack, id_, action, quirks=[quirk], **body)
    view, said = done(stack, id_, told["id"]), theirs(stack, id_)
    assert told["id"].startswith("org:") == (quirk == "compositeId")
    assert (view["status"], view["plan"]) == (said["saasSubscriptionStatus"], said["planId"])
    assert view["termEnd"] is not None


@pytest.mark.parametrize("quirks", [[], ["reinstateSucceeded"]])
def test_both_shapes_of_reinstate(stack: Stack, quirks: list[str]) -> None:
    id_ = bought(stack)
    done(stack, id_, act(stack, id_, "suspend")["id"])
    told = act(stack, id_, "reinstate", quirks=quirks)
    assert done(stack, id_, told["id"])["status"] == "Subscribed"


@pytest.mark.parametrize("empty", ["absent", "text"])
def test_quantities_that_are_not_there(stack: Stack, empty: str) -> None:
    url = f"{stack.simulator.url}/control/options"
    requests.patch(url, json={"emptyQuantity": empty, "missingTermDates": True}, timeout=30)
    try:
        id_ = bought(stack)
        view = done(stack, id_, act(stack, id_, "changePlan", planId="scale")["id"])
        assert (view["quantity"], view["plan"]) == (None, "scale")
    finally:
        requests.patch(url, json={"emptyQuantity": "null", "missingTermDates": False}, timeout=30)


@pytest.mark.parametrize("kind", ["lost", "duplicated", "reordered"])
def test_deliveries_that_go_astray_are_made_up_for(stack: Stack, kind: str) -> None:
    id_ = bought(stack)
    stack.simulator.post("/faults", {"kind": kind, "target": "webhook", "count": 1})
    for action in ("suspend", "reinstate", "unsubscribe"):
        act(stack, id_, action)
    checked(stack.administrator().send("POST", "/api/subscriptions/reconcile"))
    assert until(stack, id_, lambda view: view["status"] == "Unsubscribed")["end"]
    requests.delete(f"{stack.simulator.url}/control/faults", timeout=30)


# --- the landing page


def browser_of(stack: Stack, who: str) -> requests.Session:
    browser = requests.Session()
    browser.get(f"{stack.marketplace}/sign-in?who={who}&back=/landing", timeout=30)
    return browser


def page_of(stack: Stack, who: str, link: str) -> requests.Response:
    return browser_of(stack, who).get(link, timeout=30)


def test_the_page_asks_who_comes_and_shows_what_was_bought(stack: Stack) -> None:
    _, link = stack.simulator.buy("standard", "Northwind & Sons")
    first = requests.get(link, timeout=30, allow_redirects=False)
    assert first.status_code == 302
    assert first.headers["Location"].startswith(f"{stack.marketplace}/sign-in")
    page = page_of(stack, "buyer", link)
    assert page.status_code == 200
    for shown in ("Northwind &amp; Sons", "contoso-ai", "Monthly", "buyer@customer.example"):
        assert shown in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page_of(stack, "colleague", link).status_code == 200


def test_a_stranger_is_told_to_come_as_somebody_else(stack: Stack) -> None:
    id_, link = stack.simulator.buy("standard", "Northwind Traders")
    page = page_of(stack, "stranger", link)
    assert page.status_code == 403
    assert "Use another account" in page.text
    assert "contoso-ai" not in page.text
    assert theirs(stack, id_)["saasSubscriptionStatus"] == "PendingFulfillmentStart"


def test_a_form_of_another_site_activates_nothing(stack: Stack) -> None:
    id_, link = stack.simulator.buy("standard", "Northwind Traders")
    browser = browser_of(stack, "buyer")
    form = {**form_of(browser.get(link, timeout=30).text), "field-contact": "a@b.example"}
    url = f"{stack.url}/landing"
    cross = {"Sec-Fetch-Site": "cross-site"}
    attempts = (
        browser.post(url, data={**form, "proof": "x" * 32}, timeout=30),
        browser.post(url, data={"token": form["token"]}, timeout=30),
        browser.post(url, data=form, headers=cross, timeout=30),
        browser_of(stack, "buyer").post(url, data=form, timeout=30),
    )
    assert [page.status_code for page in attempts] == [403] * 4
    assert theirs(stack, id_)["saasSubscriptionStatus"] == "PendingFulfillmentStart"
    missing = browser.post(url, data={**form, "field-contact": " "}, timeout=30)
    assert missing.status_code == 400
    assert "Contact e-mail is missing" in missing.text
    for _ in range(2):
        assert "is active" in browser.post(url, data=form, timeout=30).text
    assert ours(stack, id_)["answers"] == {"contact": "a@b.example"}
    assert "https://product.example/" in browser.get(link, timeout=30).text


def test_pages_of_every_state_say_what_to_do(stack: Stack) -> None:
    id_ = bought(stack)
    link = stack.simulator.post(f"/subscriptions/{id_}/token", {})["landingPage"]
    assert "is active" in page_of(stack, "buyer", link).text
    done(stack, id_, act(stack, id_, "suspend")["id"])
    assert "payment method" in page_of(stack, "buyer", link).text
    done(stack, id_, act(stack, id_, "unsubscribe")["id"])
    assert "buy the offer again" in page_of(stack, "buyer", link).text
    _, unpriced = stack.simulator.buy("seats", "Northwind Traders")
    page = page_of(stack, "buyer", unpriced)
    assert (page.status_code, "come back" in page.text) == (409, True)
    page = page_of(stack, "buyer", f"{stack.url}/landing?token=expired")
    assert (page.status_code, "Azure portal" in page.text) == (400, True)


# --- the publisher's orders, adoption, erasure, forwarding


def test_orders_are_carried_out(stack: Stack) -> None:
    id_ = bought(stack, "users", 5)
    for verb, body, holds in (
        ("quantity", {"quantity": 9}, lambda view: view["quantity"] == 9),
        ("plan", {"plan": "scale"}, lambda view: view["plan"] == "scale"),
    ):
        asked = order(stack, id_, verb, body)
        assert asked.status_code == 202, asked.text
        assert until(stack, id_, holds)["status"] == "Subscribed"
        done(stack, id_, asked.json()["id"])
        assert checked(stack.administrator().send("GET", asked.headers["Location"]))["done"]
    asked = order(stack, id_, "cancel")
    assert asked.status_code == 202, asked.text
    view = until(stack, id_, lambda view: view["status"] == "Unsubscribed")
    assert view["end"] is not None
    assert order(stack, id_, "cancel").status_code == 409
    assert order(stack, id_, "plan", {"plan": "standard"}).status_code == 409


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("plan", {"plan": "unknown"}, 400),
        ("plan", {"plan": 7}, 400),
        ("plan", {}, 400),
        ("quantity", {"quantity": 1.5}, 400),
        ("quantity", {"quantity": -1}, 400),
        ("adopt", {"account": "a|b"}, 400),
        ("adopt", {"colour": "red"}, 400),
    ],
)
def test_bad_orders_are_refused(stack: Stack, verb: str, body: object, status: int) -> None:
    id_ = bought(stack)
    assert order(stack, id_, verb, body).status_code == status
    for odd in ("..", "nobody", f"{id_}x"):
        assert order(stack, odd, "cancel").status_code in (400, 404)
    denied = stack.backend().send("POST", f"/api/subscriptions/{id_}/cancel")
    assert denied.status_code == 403


def test_adoption_and_activation_by_the_publisher(stack: Stack) -> None:
    elsewhere, _ = stack.simulator.buy("standard", "Northwind Traders")
    stack.simulator.post(f"/subscriptions/{elsewhere}/activate", {})
    report = checked(stack.administrator().send("POST", "/api/subscriptions/reconcile"))
    kinds = {(f["kind"], f["subject"]) for f in report["findings"]}
    assert ("not-adopted", elsewhere) in kinds
    code = f"acme-{elsewhere[:8]}"
    assert checked(order(stack, elsewhere, "adopt", {"account": code}))["account"] == code
    waiting, _ = stack.simulator.buy("standard", "Northwind Traders")
    assert order(stack, waiting, "adopt").status_code == 409
    assert checked(order(stack, waiting, "activate"))["status"] == "Subscribed"
    assert theirs(stack, waiting)["saasSubscriptionStatus"] == "Subscribed"


def test_changes_are_forwarded_signed(stack: Stack, endpoint: Listener) -> None:
    id_ = bought(stack)
    done(stack, id_, act(stack, id_, "suspend")["id"])
    deadline = time.monotonic() + WITHIN
    mine: list[tuple[dict[str, str], Document]] = []
    while len([e for _, e in mine if e["type"] == "subscription.status"]) < 2:
        assert time.monotonic() < deadline, mine
        time.sleep(0.05)
        calls = [(headers, json.loads(body)) for headers, body in endpoint.calls]
        mine = [(h, event) for h, event in calls if event["subscription"] == id_]
    assert [e["status"] for _, e in mine if e["type"] == "subscription.status"] == [
        "Subscribed",
        "Suspended",
    ]
    for headers, raw in endpoint.calls:
        moment, mac = (
            part[part.index("=") + 1 :] for part in headers["x-metering-signature"].split(",")
        )
        right = hmac.new(SECRET.encode(), f"{moment}.".encode() + raw, hashlib.sha256)
        assert hmac.compare_digest(mac, right.hexdigest())
        assert headers["x-metering-event"] == json.loads(raw)["id"]


def test_the_end_flush_states_and_erasure(stack: Stack) -> None:
    """Usage before the end is billed, after it refused; a week later names may go."""
    id_ = bought(stack)
    staff, simulator = stack.administrator(), stack.simulator
    simulator.advance_to(simulator.now() + timedelta(minutes=5))
    event = {
        "id": "last",
        "account": id_,
        "meter": "requests",
        "time": simulator.now().isoformat(),
        "data": {"contextTokens": 500_000, "generatedTokens": 10_000},
    }
    checked(stack.backend().send("POST", "/api/usage", json.dumps([event]).encode()))
    simulator.advance_to(simulator.now() + timedelta(minutes=5))
    done(stack, id_, act(stack, id_, "unsubscribe")["id"])
    simulator.advance_to(simulator.now() + timedelta(hours=2, minutes=10))
    asked = simulator.now()
    checked(staff.send("POST", "/api/metering/run"))
    staff.wait_for_run(asked - timedelta(minutes=5))
    deadline = time.monotonic() + WITHIN
    while not simulator.accepted().get(id_):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    late = {**event, "id": "late", "time": simulator.now().isoformat()}
    answer = stack.backend().send("POST", "/api/usage", json.dumps([late]).encode())
    assert "end of the subscription" in answer.text
    path = f"/api/accounts/{id_}/personal-data"
    assert staff.send("DELETE", path).status_code == 409
    simulator.advance_to(simulator.now() + timedelta(days=8))
    staff = stack.administrator()
    assert checked(staff.send("DELETE", path))["erased"]
    view = ours(stack, id_)
    assert (view["name"], view["answers"], view["status"]) == ("", {}, "Unsubscribed")
