"""Subscriptions on a running stack: bought, acted upon, and looked at from both sides."""

import json
import time
from collections.abc import Callable
from typing import Any

import requests

from local.marketplace import defaults
from local.stack import Stack

type Document = dict[str, Any]

WITHIN = 20.0


def bought(stack: Stack, plan: str = "standard", quantity: int | None = None) -> str:
    order: Document = {"offerId": defaults.OFFER, "planId": plan, "name": "Northwind Traders"}
    if quantity is not None:
        order["quantity"] = quantity
    made = stack.simulator.post("/purchases", order)
    stack.backend().confirm(made["landingPage"])
    return str(made["subscriptionId"])


def act(stack: Stack, id_: str, verb: str, **order: object) -> Document:
    done: Document = stack.simulator.post(f"/subscriptions/{id_}/{verb}", order)
    stack.simulator.post("/webhooks/settle", {"timeoutSeconds": 20})
    return done


def ours(stack: Stack, id_: str) -> Document:
    found: Document = stack.administrator().get(f"/api/subscriptions/{id_}")
    return found


def until(stack: Stack, id_: str, holds: Callable[[Document], bool]) -> Document:
    """Our view of a subscription once something holds of it."""
    deadline = time.monotonic() + WITHIN
    while not holds(view := ours(stack, id_)):
        assert time.monotonic() < deadline, json.dumps(view, default=str, indent=1)
        time.sleep(0.05)
    return view


def done(stack: Stack, id_: str, operation: str) -> Document:
    """Our view once an operation has been followed to its end."""

    def followed(view: Document) -> bool:
        return any(each["id"] == operation and each["done"] for each in view["operations"])

    return until(stack, id_, followed)


def theirs(stack: Stack, id_: str) -> Document:
    found: Document = stack.simulator.get(f"/subscriptions/{id_}")
    return found


def order(stack: Stack, id_: str, verb: str, body: object = None) -> requests.Response:
    data = None if body is None else json.dumps(body).encode()
    return stack.administrator().send("POST", f"/api/subscriptions/{id_}/{verb}", data)
