"""The local tools' way to the product's HTTP API and to the Marketplace simulator."""

import html
import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests

from local.marketplace import defaults

TIMEOUT_SECONDS = 60
TOKEN_AGE = timedelta(minutes=30)

type Json = Any
"""A parsed JSON document; its shape is the other side's promise."""


class CallFailed(Exception):
    """An answer other than the expected one; the message shows it."""


def checked(response: requests.Response) -> Json:
    """The JSON of a good answer, numbers exact. Raises ``CallFailed`` for any other."""
    if not response.ok:
        request = f"{response.request.method} {response.request.url}"
        raise CallFailed(f"{request} answered {response.status_code}\n{response.text[:2000]}")
    if "json" not in response.headers.get("Content-Type", ""):
        return response.text
    return json.loads(response.text, parse_float=Decimal)


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of a page's form. Raises ``CallFailed`` when there are none."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    if not found:
        raise CallFailed(f"the page has no form\n{page[-2000:]}")
    return {name: html.unescape(value) for name, value in found}


class Simulator:
    """What a buyer, Microsoft and time do: the simulator's control API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def get(self, path: str) -> Json:
        """GET below ``/control``."""
        return checked(self._session.get(f"{self.url}/control{path}", timeout=TIMEOUT_SECONDS))

    def post(self, path: str, body: Mapping[str, object]) -> Json:
        """POST below ``/control``."""
        response = self._session.post(
            f"{self.url}/control{path}", json=body, timeout=TIMEOUT_SECONDS
        )
        return checked(response)

    def buy(self, plan: str, name: str) -> tuple[str, str]:
        """A new subscription's id and the link to the landing page with its token."""
        bought = self.post("/purchases", {"offerId": defaults.OFFER, "planId": plan, "name": name})
        return bought["subscriptionId"], bought["landingPage"]

    def subscribed(self) -> list[str]:
        """Ids of all active subscriptions, oldest first."""
        return [
            item["id"]
            for item in self.get("/subscriptions")
            if item["saasSubscriptionStatus"] == "Subscribed"
        ]

    def cancel(self, subscription: str) -> None:
        """The customer cancels; returns when the publisher has been told."""
        self.post(f"/subscriptions/{subscription}/unsubscribe", {})
        self.post("/webhooks/settle", {"timeoutSeconds": 20})

    def now(self) -> datetime:
        """The stack's time."""
        return datetime.fromisoformat(self.get("/clock")["now"])

    def advance_to(self, moment: datetime) -> None:
        """Move time on, for every part of the stack."""
        step = (moment - self.now()) / timedelta(seconds=1)
        if step > 0:
            self.post("/clock", {"advanceSeconds": step})

    def accepted(self) -> dict[str, int]:
        """Units accepted by the Marketplace, by subscription."""
        totals: dict[str, int] = {}
        for item in self.get("/usage/totals"):
            key = item["subscriptionId"]
            totals[key] = totals.get(key, 0) + int(item["quantity"])
        return totals

    def metering_calls(self) -> int:
        """Calls to the metering API so far."""
        return int(self.get("")["requests"].get("metering", 0))

    def token(self, client: str, secret: str) -> str:
        """An access token of one of the development applications for the product's API."""
        response = self._session.post(
            f"{self.url}/{defaults.PUBLISHER_TENANT}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": client,
                "client_secret": secret,
                "scope": f"api://{defaults.API_APP}/.default",
            },
            timeout=TIMEOUT_SECONDS,
        )
        return str(checked(response)["access_token"])

    def backend_token(self) -> str:
        """A token that may report usage."""
        return self.token(defaults.BACKEND_APP, defaults.BACKEND_SECRET)

    def administrator_token(self) -> str:
        """A token that may do everything else."""
        return self.token(defaults.ADMINISTRATOR_APP, defaults.ADMINISTRATOR_SECRET)


class FreshToken:
    """A token, fetched again when it gets old by ``now``, the stack's time."""

    def __init__(self, fetch: Callable[[], str], now: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._now = now
        self._token = ""
        self._until: datetime | None = None

    def __call__(self) -> Mapping[str, str]:
        """The header that carries it."""
        now = self._now()
        if self._until is None or now >= self._until:
            self._token = self._fetch()
            self._until = now + TOKEN_AGE
        return {"Authorization": f"Bearer {self._token}"}


class Product:
    """The product's HTTP API, as one caller sees it."""

    def __init__(self, url: str, authorization: Callable[[], Mapping[str, str]]) -> None:
        self.url = url
        self._authorization = authorization
        self._session = requests.Session()

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float = TIMEOUT_SECONDS,
    ) -> requests.Response:
        """One request, whatever its answer. Raises what ``requests`` raises without one."""
        headers = {**self._authorization(), "Content-Type": content_type}
        return self._session.request(
            method, self.url + path, data=body, headers=headers, timeout=timeout
        )

    def get(self, path: str) -> Json:
        """The JSON at ``path``."""
        return checked(self.send("GET", path))

    def confirm(self, landing_page: str) -> None:
        """What the buyer does: sign in, look at the landing page, fill in its form, send it."""
        browser = requests.Session()
        page = browser.get(landing_page, timeout=TIMEOUT_SECONDS)
        if urlsplit(page.url).path == "/sign-in":
            page = browser.get(f"{page.url}&who=buyer", timeout=TIMEOUT_SECONDS)
        form = form_of(checked(page))
        if "contact" in page.text:
            form["field-contact"] = "buyer@customer.example"
        checked(browser.post(f"{self.url}/landing", data=form, timeout=TIMEOUT_SECONDS))

    def run_completed(self, since: datetime) -> bool:
        """Whether every shard has completed a run that began at ``since`` or later."""
        shards = self.get("/api/metering/status")["shards"]
        begun = [shard["lastCompleted"] for shard in shards]
        return all(moment and datetime.fromisoformat(moment) >= since for moment in begun)

    def wait_for_run(self, since: datetime, within: float = 90) -> None:
        """Return when ``run_completed``. Raises ``CallFailed`` after ``within`` seconds."""
        deadline = time.monotonic() + within
        while not self.run_completed(since):
            if time.monotonic() > deadline:
                raise CallFailed(f"no metering run completed within {within:.0f} s; see the logs")
            time.sleep(0.1)
