"""A client for tests of the simulator over HTTP: tokens, purchases, usage events, the clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import requests

from local.marketplace import defaults
from local.marketplace.wire import dumps, stamp

VERSION: Final = {"api-version": "2018-08-31"}
JSON: Final = {"Content-Type": "application/json"}
TIMEOUT: Final = 10

type Json = dict[str, Any]


@dataclass(slots=True)
class Site:
    """One simulator, reset for this test."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)
    token: str = ""

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.control("POST", "/reset")
        self.sign_in()

    def sign_in(self) -> None:
        """Get a fresh token for the Marketplace."""
        answer = self.token_v2(
            defaults.MARKETPLACE_APP,
            defaults.MARKETPLACE_SECRET,
            f"{defaults.MARKETPLACE_RESOURCE}/.default",
        )
        self.token = answer.json()["access_token"]

    def token_v2(
        self, client_id: str, secret: str, scope: str, tenant: str = defaults.PUBLISHER_TENANT
    ) -> requests.Response:
        """The client-credentials grant of the v2.0 endpoint."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            "scope": scope,
        }
        return self.session.post(
            f"{self.url}/{tenant}/oauth2/v2.0/token", data=form, timeout=TIMEOUT
        )

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> requests.Response:
        """A call to Microsoft's APIs with token and api-version."""
        return self.session.request(
            method,
            self.url + path,
            data=None if body is None else dumps(body),
            params=VERSION | (query or {}),
            headers={"Authorization": f"Bearer {self.token}", **JSON} | (headers or {}),
            timeout=timeout,
        )

    def control(self, method: str, path: str, body: object = None) -> requests.Response:
        """A call to the control API that must succeed."""
        answer = self.session.request(
            method, f"{self.url}/control{path}", json=body, timeout=TIMEOUT
        )
        assert answer.ok, answer.text
        return answer

    def now(self) -> datetime:
        """The simulator's time."""
        return datetime.fromisoformat(self.control("GET", "/clock").json()["now"])

    def advance(self, **step: float) -> datetime:
        """Move the clock; keywords as for timedelta."""
        seconds = timedelta(**step).total_seconds()
        answer = self.control("POST", "/clock", {"advanceSeconds": seconds})
        return datetime.fromisoformat(answer.json()["now"])

    def buy(self, plan_id: str = "standard", **order: object) -> str:
        """A pending subscription's id."""
        order = {"offerId": defaults.OFFER, "planId": plan_id} | order
        answer = self.control("POST", "/purchases", order)
        return str(answer.json()["subscriptionId"])

    def subscribed(self, plan_id: str = "standard", **order: object) -> str:
        """An active subscription's id."""
        bought = self.buy(plan_id, **order)
        self.act(bought, "activate")
        return bought

    def act(self, subscription_id: str, action: str, **order: object) -> Json:
        """An action of customer or Microsoft; its operation."""
        answer = self.control("POST", f"/subscriptions/{subscription_id}/{action}", order)
        found: Json = answer.json()
        return found

    def subscription(self, subscription_id: str) -> Json:
        """A subscription as the fulfillment API shows it."""
        answer = self.call("GET", f"/api/saas/subscriptions/{subscription_id}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def operation(self, subscription_id: str, operation_id: str) -> Json:
        """An operation as the operations API shows it."""
        answer = self.call(
            "GET", f"/api/saas/subscriptions/{subscription_id}/operations/{operation_id}"
        )
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def deliveries(self) -> list[Json]:
        """All webhook deliveries once nothing is under way."""
        self.control("POST", "/webhooks/settle")
        found: list[Json] = self.control("GET", "/webhooks").json()
        return found

    def fault(self, kind: str, target: str = "metering", **rule: object) -> Json:
        """Put a fault in force."""
        answer = self.control("POST", "/faults", {"kind": kind, "target": target, **rule})
        found: Json = answer.json()
        return found

    def accepted(self) -> list[Json]:
        """All accepted usage events."""
        found: list[Json] = self.control("GET", "/usage").json()
        return found


def event(resource_id: str, time: datetime | str, **other: object) -> Json:
    """A usage event of one unit of usage_fee under the standard plan; None leaves a field out."""
    text = time if isinstance(time, str) else stamp(time.astimezone(UTC), zone=False)
    fields = {
        "resourceId": resource_id,
        "quantity": Decimal("1.0"),
        "dimension": "usage_fee",
        "effectiveStartTime": text,
        "planId": "standard",
    } | other
    return {name: value for name, value in fields.items() if value is not None}
