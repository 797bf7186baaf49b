"""What goes wrong between the Marketplace and us on the running stack: late, lost and failing
calls, changing keys, and what nobody answers for weeks."""

import contextlib
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests

from local.clients import CallFailed, checked, form_of
from local.marketplace import defaults
from local.stack import Stack
from tests.e2e.parts.subscriptions import act, bought, done, order, ours, theirs, until


@pytest.fixture(autouse=True)
def _without_faults(stack: Stack) -> Iterator[None]:
    yield
    requests.delete(f"{stack.simulator.url}/control/faults", timeout=30).raise_for_status()


def fault(stack: Stack, kind: str, target: str, **more: object) -> None:
    stack.simulator.post("/faults", {"kind": kind, "target": target, **more})


def pass_time(stack: Stack, **span: float) -> None:
    stack.simulator.advance_to(stack.simulator.now() + timedelta(**span))
    stack.simulator.post("/webhooks/settle", {"timeoutSeconds": 20})


def reconcile(stack: Stack) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = checked(
        stack.administrator().send("POST", "/api/subscriptions/reconcile")
    )
    return found


@pytest.mark.parametrize("kind", ["throttle", "serverError", "dropBefore", "dropAfter"])
def test_a_notice_that_cannot_be_handled_now_is_handled_when_it_comes_again(
    stack: Stack, kind: str
) -> None:
    """The Marketplace fails while a change is looked at or answered."""
    id_ = bought(stack)
    fault(stack, kind, "fulfillment", match="/operations", seconds=1)
    told = act(stack, id_, "changePlan", planId="scale")
    pass_time(stack, seconds=90)
    view = done(stack, id_, told["id"])
    assert (view["plan"], theirs(stack, id_)["planId"]) == ("scale", "scale")


def test_a_key_that_was_announced_may_come_into_use_at_any_time(stack: Stack) -> None:
    id_ = bought(stack)
    before = stack.simulator.post("/entra/token", {})["token"]
    stack.simulator.post("/entra/rotate", {})
    after = stack.simulator.post("/entra/token", {})["token"]
    assert before.split(".")[0] != after.split(".")[0]
    told = act(stack, id_, "changePlan", planId="scale")
    assert done(stack, id_, told["id"])["plan"] == "scale"
    (sent,) = [d for d in stack.simulator.get("/webhooks") if d["subscriptionId"] == id_]
    assert [each["status"] for each in sent["tries"]] == [200]


def test_a_late_notice_changes_nothing_that_has_been_changed_since(stack: Stack) -> None:
    id_ = bought(stack)
    fault(stack, "postponed", "webhook", seconds=3600)
    late = stack.simulator.post(f"/subscriptions/{id_}/suspend", {})
    told = act(stack, id_, "reinstate")
    until(stack, id_, lambda view: view["status"] == "Subscribed")
    done(stack, id_, told["id"])
    pass_time(stack, hours=1, minutes=1)
    assert done(stack, id_, late["id"])["status"] == "Subscribed"


@pytest.mark.parametrize(("plan", "unpriced"), [("scale", False), ("seats", True)])
def test_a_change_that_azure_accepted_by_itself_is_found(
    stack: Stack, plan: str, unpriced: bool
) -> None:
    """Ten seconds without an answer: the change is carried out, whatever we think of it."""
    id_ = bought(stack)
    fault(stack, "lost", "webhook")
    act(stack, id_, "changePlan", planId=plan)
    pass_time(stack, seconds=15)
    assert theirs(stack, id_)["planId"] == plan
    assert ours(stack, id_)["plan"] == "standard"
    found = {(f["kind"], f["subject"]) for f in reconcile(stack)["findings"]}
    assert ours(stack, id_)["plan"] == plan
    assert (("unpriced-plan", id_) in found) == unpriced
    plans = stack.administrator().get(f"/api/accounts/{id_}/plans")["plans"]
    assert [each["plan"] for each in plans if not each.get("end")] == [
        "standard" if unpriced else "scale"
    ]


def test_of_two_changes_the_newer_wins_in_whatever_order_they_are_told(stack: Stack) -> None:
    """The older one is answered with 409 by then (pc-saas-fulfillment-operations-api)."""
    id_ = bought(stack)
    fault(stack, "reordered", "webhook")
    older = stack.simulator.post(f"/subscriptions/{id_}/changePlan", {"planId": "seats"})
    newer = act(stack, id_, "changePlan", planId="scale")
    done(stack, id_, older["id"])
    view = done(stack, id_, newer["id"])
    assert (view["plan"], theirs(stack, id_)["planId"]) == ("scale", "scale")


def test_a_payment_that_never_comes_ends_the_subscription(stack: Stack) -> None:
    """Thirty days suspended (pc-saas-fulfillment-life-cycle); the notice of the end is lost."""
    id_ = bought(stack)
    waiting, _ = stack.simulator.buy("standard", "Nobody comes")
    done(stack, id_, act(stack, id_, "suspend")["id"])
    fault(stack, "lost", "webhook", count=2)
    pass_time(stack, days=31)
    assert theirs(stack, id_)["saasSubscriptionStatus"] == "Unsubscribed"
    reconcile(stack)
    view = until(stack, id_, lambda view: view["status"] == "Unsubscribed")
    assert view["end"] is not None
    assert theirs(stack, waiting)["saasSubscriptionStatus"] == "Unsubscribed"
    assert order(stack, waiting, "activate").status_code == 409


def test_an_order_that_the_marketplace_refuses_says_why(stack: Stack) -> None:
    id_ = bought(stack)
    fault(stack, "lost", "webhook")
    stack.simulator.post(f"/subscriptions/{id_}/suspend", {})
    refused = order(stack, id_, "plan", {"plan": "scale"})
    assert refused.status_code == 409
    assert "400" in json.dumps(refused.json())
    reconcile(stack)
    assert ours(stack, id_)["status"] == "Suspended"


def test_an_order_whose_answer_is_lost_is_followed_by_its_notice(stack: Stack) -> None:
    id_ = bought(stack)
    fault(stack, "dropAfter", "fulfillment", match=id_)
    asked = order(stack, id_, "plan", {"plan": "scale"})
    assert asked.status_code == 503, asked.text
    stack.simulator.post("/webhooks/settle", {"timeoutSeconds": 20})
    assert until(stack, id_, lambda view: view["plan"] == "scale")["status"] == "Subscribed"


def heading(page: requests.Response) -> str:
    return page.text.partition("<h1>")[2].partition("</h1>")[0]


@pytest.mark.parametrize("step", ["resolve", "/activate"])
@pytest.mark.parametrize("kind", ["throttle", "serverError", "dropBefore", "dropAfter"])
def test_a_buyer_whose_confirmation_fails_tries_again_and_is_activated_once(
    stack: Stack, kind: str, step: str
) -> None:
    id_, link = stack.simulator.buy("standard", "Northwind Traders")
    browser = requests.Session()
    browser.get(f"{stack.marketplace}/sign-in?who=buyer&back=/landing", timeout=30)
    form = {**form_of(browser.get(link, timeout=30).text), "field-contact": "ada"}
    fault(stack, kind, "fulfillment", match=step, seconds=1)
    failed = browser.post(f"{stack.url}/landing", data=form, timeout=30)
    assert (failed.status_code, heading(failed)) == (503, "The Azure Marketplace did not answer")
    assert "Try again" in failed.text
    again = browser.post(f"{stack.url}/landing", data=form, timeout=30)
    assert (again.status_code, heading(again)) == (200, "Northwind Traders is active")
    assert theirs(stack, id_)["saasSubscriptionStatus"] == ours(stack, id_)["status"]
    begun = [e for e in ours(stack, id_)["audit"] if e["action"] == "subscription.status"]
    assert [(e["detail"]["before"], e["detail"]["after"]) for e in begun] == [
        ("PendingFulfillmentStart", "Subscribed")
    ]


def test_many_clicks_at_once_are_one(stack: Stack) -> None:
    browser = requests.Session()
    browser.get(f"{stack.marketplace}/sign-in?who=buyer&back=/landing", timeout=30)
    for _ in range(4):
        id_, link = stack.simulator.buy("standard", "Northwind Traders")
        form = {**form_of(browser.get(link, timeout=30).text), "field-contact": "ada"}
        cookies = browser.cookies.get_dict()

        def click(form: dict[str, str] = form, cookies: dict[str, str] = cookies) -> str:
            return heading(
                requests.post(f"{stack.url}/landing", data=form, cookies=cookies, timeout=60)
            )

        with ThreadPoolExecutor(5) as pool:
            clicks = [pool.submit(click) for _ in range(5)]
        assert {each.result() for each in clicks} == {"Northwind Traders is active"}
        begun = [e for e in ours(stack, id_)["audit"] if e["action"] == "subscription.status"]
        assert len(begun) == 1


def test_a_link_to_another_publishers_purchase(stack: Stack) -> None:
    purchase = {"offerId": defaults.OFFER, "planId": "standard", "foreign": True}
    link = stack.simulator.post("/purchases", purchase)["landingPage"]
    browser = requests.Session()
    browser.get(f"{stack.marketplace}/sign-in?who=buyer&back=/landing", timeout=30)
    page = browser.get(link, timeout=30)
    assert (page.status_code, heading(page)) == (409, "This purchase cannot be opened here")
    assert "Azure portal" in page.text


ACTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("changePlan", {"planId": "scale"}),
    ("changePlan", {"planId": "standard"}),
    ("changePlan", {"planId": "seats"}),
    ("suspend", {}),
    ("reinstate", {}),
    ("reinstate", {"quirks": ["reinstateSucceeded"]}),
    ("renew", {}),
    ("renew", {"quirks": ["missingTerm", "compositeId"]}),
    ("notify", {"action": "Subscribe"}),
    ("unsubscribe", {}),
)
ASTRAY = ("lost", "duplicated", "reordered", "postponed")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_in_whatever_order_both_agree_after_a_reconciliation(
    stack: Stack, seed: int
) -> None:
    """What is refused at the moment, as of a subscription that has ended, does not happen."""
    chance = random.Random(seed)
    mine = [bought(stack) for _ in range(3)]
    for _ in range(40):
        id_ = chance.choice(mine)
        if chance.random() < 0.4:
            fault(stack, chance.choice(ASTRAY), "webhook", seconds=chance.choice((5, 600)))
        verb, body = chance.choices(ACTS, [2] * (len(ACTS) - 1) + [0.4])[0]
        with contextlib.suppress(CallFailed):
            stack.simulator.post(f"/subscriptions/{id_}/{verb}", body)
        if chance.random() < 0.3:
            order(stack, id_, "plan", {"plan": chance.choice(("scale", "standard"))})
        if chance.random() < 0.3:
            pass_time(stack, seconds=chance.choice((1, 12, 300)))
    requests.delete(f"{stack.simulator.url}/control/faults", timeout=30).raise_for_status()
    pass_time(stack, minutes=11)
    assert not reconcile(stack)["failed"]
    for id_ in mine:
        view, said = ours(stack, id_), theirs(stack, id_)
        assert (view["status"], view["plan"]) == (said["saasSubscriptionStatus"], said["planId"])
        if view["status"] != "Unsubscribed":
            assert view["termEnd"][:10] == said["term"]["endDate"][:10]
