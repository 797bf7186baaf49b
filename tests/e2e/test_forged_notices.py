"""Forged and broken notices on the running stack: refused, nothing changed, nobody called."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.marketplace import defaults
from local.stack import Stack
from tests.e2e.parts.forgeries import (
    Forger,
    claim_forgeries,
    notice_forgeries,
    signature_forgeries,
)
from tests.e2e.parts.listener import Listener, listening

CLAIMS = {name: (version, claims) for name, version, claims in claim_forgeries()}
SIGNATURES = signature_forgeries()
NOTICES = notice_forgeries()


@pytest.fixture(scope="module")
def canary() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def forger(stack: Stack, canary: Listener) -> Forger:
    return Forger(stack, canary.url)


@pytest.fixture(scope="module")
def names(stack: Stack, canary: Listener) -> dict[str, str]:
    """A customer with a finished operation, and another publisher's."""
    victim, link = stack.simulator.buy("standard", "Northwind Traders")
    stack.backend().confirm(link)
    told = stack.simulator.post(f"/subscriptions/{victim}/changePlan", {"planId": "scale"})
    foreign = stack.simulator.post(
        "/purchases", {"offerId": defaults.OFFER, "planId": "standard", "foreign": True}
    )
    stack.simulator.post("/webhooks/settle", {"timeoutSeconds": 20})
    url = f"{stack.url}/api/subscriptions/{victim}"
    for _ in range(200):
        view = stack.administrator().get(url.removeprefix(stack.url))
        if all(operation["done"] for operation in view["operations"]):
            break
    assert view["plan"] == "scale"
    return {
        "VICTIM": victim,
        "OPERATION": told["id"],
        "FOREIGN": foreign["subscriptionId"],
        "CANARY": canary.url,
    }


def state(stack: Stack, names: dict[str, str]) -> tuple[Any, Any, Any]:
    """Everything a forgery could change: ours, theirs, and the accounts there are."""
    staff = stack.administrator()
    view = staff.get(f"/api/subscriptions/{names['VICTIM']}")
    theirs = stack.simulator.get("/subscriptions")
    return view, theirs, staff.get("/api/subscriptions")


def calls_to_fulfillment(stack: Stack) -> int:
    return int(stack.simulator.get("")["requests"].get("fulfillment", 0))


def post(stack: Stack, token: str | None, body: bytes) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return requests.post(f"{stack.url}/api/webhook", data=body, headers=headers, timeout=30)


def cancellation(names: dict[str, str]) -> bytes:
    notice = {"id": names["OPERATION"], "subscriptionId": names["VICTIM"], "action": "Unsubscribe"}
    return json.dumps(notice).encode()


def test_there_are_enough_of_them() -> None:
    assert len(CLAIMS) + len(SIGNATURES) + len(NOTICES) >= 100


def is_refused(stack: Stack, names: dict[str, str], canary: Listener, token: str | None) -> None:
    """401, and neither the Marketplace nor anybody else was asked anything."""
    before, asked = state(stack, names), calls_to_fulfillment(stack)
    response = post(stack, token, cancellation(names))
    assert response.status_code == 401, response.text
    assert calls_to_fulfillment(stack) == asked
    assert state(stack, names) == before
    assert canary.calls == []


@pytest.mark.parametrize("name", CLAIMS)
def test_a_signed_token_of_somebody_else(
    stack: Stack, names: dict[str, str], canary: Listener, forger: Forger, name: str
) -> None:
    version, claims = CLAIMS[name]
    is_refused(stack, names, canary, forger.signed(version, **claims))


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_token_that_entra_did_not_sign(
    stack: Stack, names: dict[str, str], canary: Listener, forger: Forger, name: str
) -> None:
    is_refused(stack, names, canary, SIGNATURES[name](forger))


def test_no_token(stack: Stack, names: dict[str, str], canary: Listener) -> None:
    is_refused(stack, names, canary, None)


def filled(body: object, names: dict[str, str]) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    for name, value in names.items():
        raw = raw.replace(name.encode(), value.encode())
    return raw


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("name", NOTICES)
def test_a_genuine_token_with_a_notice_that_is_not(
    stack: Stack, names: dict[str, str], canary: Listener, forger: Forger, name: str, version: str
) -> None:
    before = state(stack, names)
    response = post(stack, forger.signed(version), filled(NOTICES[name], names))
    if name.startswith("replayed"):
        assert response.json()["known"] is True
    elif response.status_code == 200:
        assert response.json() == {"known": False, "accepted": None, "reason": None}
    else:
        assert response.status_code in (400, 413), response.text
    assert state(stack, names) == before
    assert canary.calls == []


def test_a_genuine_notice_is_taken(stack: Stack, names: dict[str, str], forger: Forger) -> None:
    """What the others are compared with: the same call with nothing wrong does something."""
    other, link = stack.simulator.buy("standard", "Fabrikam")
    stack.backend().confirm(link)
    url = f"{stack.simulator.url}/control/webhooks/settings"
    address = requests.get(url, timeout=30).json()["url"]
    requests.patch(url, json={"url": None}, timeout=30).raise_for_status()
    told = stack.simulator.post(f"/subscriptions/{other}/changePlan", {"planId": "scale"})
    notice = {"id": told["id"], "subscriptionId": other, "action": "ChangePlan"}
    for version in ("v1", "v2"):
        response = post(stack, forger.signed(version), json.dumps(notice).encode())
        assert response.json() == {"known": True, "accepted": True, "reason": None}
    assert stack.simulator.get(f"/subscriptions/{other}")["planId"] == "scale"
    requests.patch(url, json={"url": address}, timeout=30).raise_for_status()
    assert names
