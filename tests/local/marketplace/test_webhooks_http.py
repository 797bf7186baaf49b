"""The webhook sender: payloads, tokens, retries on the moved clock, delivery faults."""

from collections.abc import Iterator

import jwt
import pytest

from local.marketplace import defaults
from tests.local.marketplace.receiver import Receiver, receiving
from tests.local.marketplace.site import Json, Site


@pytest.fixture
def receiver(site: Site) -> Iterator[Receiver]:
    """A receiver to which the simulator sends."""
    with receiving() as found:
        site.control("PATCH", "/webhooks/settings", {"url": found.url})
        yield found
        site.control("PATCH", "/webhooks/settings", {"url": None})
        site.deliveries()


def decoded(site: Site, token: str) -> Json:
    """The claims of a webhook token, verified the way a publisher does."""
    client = jwt.PyJWKClient(f"{site.url}/common/discovery/v2.0/keys")
    key = client.get_signing_key_from_jwt(token)
    claims: Json = jwt.decode(token, key, audience=defaults.MARKETPLACE_APP, algorithms=["RS256"])
    return claims


def test_the_payload_of_a_change(site: Site, receiver: Receiver) -> None:
    key = site.subscribed()
    operation = site.act(key, "changePlan", planId="scale")
    site.deliveries()
    (payload,) = receiver.payloads
    subscription = payload.pop("subscription")
    assert payload == {
        "id": operation["id"],
        "activityId": operation["activityId"],
        "publisherId": "contoso",
        "offerId": defaults.OFFER,
        "planId": "scale",
        "quantity": None,
        "subscriptionId": key,
        "timeStamp": operation["timeStamp"],
        "action": "ChangePlan",
        "status": "InProgress",
        "operationRequestSource": "Azure",
        "purchaseToken": None,
    }
    assert subscription == site.subscription(key)
    assert (subscription["id"], subscription["planId"]) == (key, "standard")


def test_every_documented_action(site: Site, receiver: Receiver) -> None:
    key = site.subscribed("users", quantity=3)
    site.act(key, "changeQuantity", quantity=4, by="publisher")
    site.advance(seconds=10)
    for action in ("renew", "suspend", "reinstate"):
        site.act(key, action)
        site.deliveries()
    site.advance(seconds=10)
    site.act(key, "unsubscribe")
    site.deliveries()
    assert [
        (p["action"], p["status"], p["subscription"]["saasSubscriptionStatus"])
        for p in receiver.payloads
    ] == [
        ("ChangeQuantity", "InProgress", "Subscribed"),
        ("Renew", "Succeeded", "Subscribed"),
        ("Suspend", "Succeeded", "Suspended"),
        ("Reinstate", "InProgress", "Suspended"),
        ("Unsubscribe", "Succeeded", "Unsubscribed"),
    ]
    assert receiver.payloads[0]["operationRequestSource"] == "Partner"
    assert (receiver.payloads[0]["quantity"], receiver.payloads[1]["quantity"]) == (4, 4)


def test_tokens_come_in_both_versions(site: Site, receiver: Receiver) -> None:
    key = site.subscribed()
    for _ in range(2):
        site.act(key, "renew")
    site.deliveries()
    first, second = sorted((decoded(site, t) for t in receiver.tokens), key=lambda c: c["ver"])
    tenant = defaults.PUBLISHER_TENANT
    assert (first["ver"], second["ver"]) == ("1.0", "2.0")
    assert first["appid"] == second["azp"] == defaults.MARKETPLACE_RESOURCE
    assert first["iss"] == f"https://sts.windows.net/{tenant}/"
    assert second["iss"] == f"https://login.microsoftonline.com/{tenant}/v2.0"
    assert first["tid"] == second["tid"] == tenant
    assert "azp" not in first
    assert "appid" not in second


def test_token_claims_can_be_chosen(site: Site, receiver: Receiver) -> None:
    chosen = {"tokenVersion": "v2", "audience": "api", "tenantId": defaults.OTHER_TENANT}
    site.control("PATCH", "/webhooks/settings", chosen)
    key = site.subscribed()
    for _ in range(2):
        site.act(key, "renew")
    site.deliveries()
    for token in receiver.tokens:
        claims = jwt.decode(token, options={"verify_signature": False})
        assert (claims["ver"], claims["aud"]) == ("2.0", "api")
        assert claims["tid"] == defaults.OTHER_TENANT
        assert defaults.OTHER_TENANT in claims["iss"]


@pytest.mark.parametrize(
    ("quirk", "action"),
    [
        ("compositeId", "renew"),
        ("missingTerm", "renew"),
        ("bare", "renew"),
        ("extraFields", "renew"),
        ("reinstateSucceeded", "reinstate"),
    ],
)
def test_quirks_on_request(site: Site, receiver: Receiver, quirk: str, action: str) -> None:
    key = site.subscribed()
    if action == "reinstate":
        site.act(key, "suspend")
    site.act(key, action, quirks=[quirk])
    site.deliveries()
    payload = receiver.payloads[-1]
    shown = payload.get("subscription", {})
    signs = {
        "compositeId": payload["id"].startswith("org:") and "," in payload["id"],
        "missingTerm": bool(shown) and "startDate" not in shown["term"],
        "bare": "subscription" not in payload and "purchaseToken" not in payload,
        "extraFields": "futureField" in payload,
        "reinstateSucceeded": (payload["action"], payload["status"]) == ("Reinstate", "Succeeded"),
    }
    assert [name for name, seen in signs.items() if seen] == [quirk]
    assert site.operation(key, payload["id"])["action"] == payload["action"]


def test_an_unknown_action_changes_nothing(site: Site, receiver: Receiver) -> None:
    key = site.subscribed()
    before = site.subscription(key)
    site.control("POST", f"/subscriptions/{key}/notify", {"action": "Subscribe"})
    site.deliveries()
    assert receiver.actions == ["Subscribe"]
    assert site.subscription(key) == before


def test_failures_are_retried_until_the_webhook_answers(site: Site, receiver: Receiver) -> None:
    receiver.statuses = [500, 404, 302]
    key = site.subscribed()
    site.act(key, "suspend")
    (waiting,) = site.deliveries()
    assert waiting["state"] == "waiting"
    for _ in range(3):
        site.advance(seconds=57)
        tried = len(site.deliveries()[0]["tries"])
        site.advance(seconds=1)
        assert len(site.deliveries()[0]["tries"]) == tried + 1
    (done,) = site.deliveries()
    assert done["state"] == "delivered"
    assert [attempt["status"] for attempt in done["tries"]] == [500, 404, 302, 200]
    assert len({payload["id"] for payload in receiver.payloads}) == 1


def test_after_eight_hours_it_gives_up(site: Site) -> None:
    site.control("PATCH", "/webhooks/settings", {"url": "http://127.0.0.1:1/closed"})
    key = site.subscribed()
    site.act(key, "suspend")
    (first,) = site.deliveries()
    assert (first["state"], len(first["tries"])) == ("waiting", 1)
    assert (first["tries"][0]["status"], first["tries"][0]["error"]) == (None, "ConnectionError")
    site.advance(hours=7, minutes=55)
    assert site.deliveries()[0]["state"] == "waiting"
    site.advance(minutes=10)
    (last,) = site.deliveries()
    assert (last["state"], len(last["tries"])) == ("gaveUp", 3)
    site.advance(hours=8)
    assert len(site.deliveries()[0]["tries"]) == 3


def test_the_number_of_tries_is_limited(site: Site, receiver: Receiver) -> None:
    site.control("PATCH", "/webhooks/settings", {"tries": 3, "withinSeconds": 30})
    receiver.statuses = [500] * 9
    site.act(site.subscribed(), "suspend")
    for _ in range(5):
        site.deliveries()
        site.advance(seconds=10)
    (last,) = site.deliveries()
    assert (last["state"], len(receiver.payloads)) == ("gaveUp", 3)


def test_a_4xx_refuses_a_change(site: Site, receiver: Receiver) -> None:
    receiver.statuses = [400]
    key = site.subscribed()
    operation = site.act(key, "changePlan", planId="scale")
    (delivery,) = site.deliveries()
    assert delivery["state"] == "refused"
    site.advance(minutes=5)
    site.deliveries()
    assert len(receiver.payloads) == 1
    assert site.operation(key, operation["id"])["status"] == "Failed"
    assert site.subscription(key)["planId"] == "standard"


def test_an_unanswered_change_is_accepted_although_the_webhook_fails(
    site: Site, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    key = site.subscribed()
    site.act(key, "changePlan", planId="scale")
    site.deliveries()
    site.advance(seconds=10)
    assert site.subscription(key)["planId"] == "scale"


def test_lost_duplicated_and_postponed(site: Site, receiver: Receiver) -> None:
    site.fault("lost", "webhook", match="Suspend")
    site.fault("duplicated", "webhook", match="Renew")
    site.fault("postponed", "webhook", match="Unsubscribe", seconds=3600)
    key = site.subscribed()
    site.act(key, "renew")
    site.act(key, "suspend")
    site.deliveries()
    assert receiver.actions == ["Renew", "Renew"]
    assert receiver.payloads[0] == receiver.payloads[1]
    site.act(key, "unsubscribe")
    site.deliveries()
    site.advance(minutes=59)
    site.deliveries()
    assert receiver.actions == ["Renew", "Renew"]
    site.advance(minutes=1)
    states = [delivery["state"] for delivery in site.deliveries()]
    assert states == ["delivered", "delivered", "lost", "delivered"]
    assert receiver.actions[2:] == ["Unsubscribe"]


def test_reordered(site: Site, receiver: Receiver) -> None:
    site.fault("reordered", "webhook")
    key = site.subscribed()
    site.act(key, "suspend")
    site.deliveries()
    assert receiver.actions == []
    site.act(key, "unsubscribe")
    site.deliveries()
    assert receiver.actions == ["Unsubscribe", "Suspend"]


def test_reordered_with_nothing_behind_it_comes_late(site: Site, receiver: Receiver) -> None:
    site.fault("reordered", "webhook")
    site.act(site.subscribed(), "suspend")
    site.deliveries()
    site.advance(seconds=60)
    site.deliveries()
    assert receiver.actions == ["Suspend"]


def test_without_an_address_nothing_is_sent(site: Site) -> None:
    site.act(site.subscribed(), "suspend")
    (delivery,) = site.deliveries()
    assert (delivery["state"], delivery["tries"]) == ("unaddressed", [])


def test_a_receiver_may_call_back_while_it_is_being_called(site: Site, receiver: Receiver) -> None:
    """Fetch and answer the operation before answering the webhook, as publishers should."""
    seen = []

    def decide(payload: Json) -> None:
        path = f"{payload['subscriptionId']}/operations/{payload['id']}"
        seen.append(site.operation(payload["subscriptionId"], payload["id"])["status"])
        site.call("PATCH", f"/api/saas/subscriptions/{path}", {"status": "Success"})

    key = site.subscribed()
    receiver.arriving = decide
    operation = site.act(key, "changePlan", planId="scale")
    (delivery,) = site.deliveries()
    assert delivery["state"] == "delivered"
    assert seen == ["InProgress"]
    assert site.operation(key, operation["id"])["status"] == "Succeeded"
    assert site.subscription(key)["planId"] == "scale"
