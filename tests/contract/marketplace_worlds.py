"""The two Marketplaces that one contract suite runs on: in memory, and the simulator over HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol, assert_never

import pytest
import requests

from local.clock import FileClock
from local.marketplace.config import Settings
from local.marketplace.defaults import MANAGED_OFFER, MARKETPLACE_SECRET, OFFER
from local.marketplace.server import running
from shared.domain.ids import SubscriptionId
from shared.marketplace.fulfillment import MarketplaceFulfillment
from shared.marketplace.http import Timeouts
from shared.marketplace.metering import MarketplaceMetering
from shared.marketplace.tokens import ClientSecret, MarketplaceTokens
from shared.marketplace.transport import Transport
from shared.ports import Fulfillment, Metering
from tests.fakes.clock import FakeClock
from tests.fakes.marketplace import (
    DelayRequest,
    FakeMarketplace,
    Fault,
    LoseAnswer,
    LoseRequest,
    PartialBatch,
    Refuse,
    Throttle,
)


class World(Protocol):
    """A Marketplace with its customers, its clock and its faults."""

    metering: Metering
    fulfillment: Fulfillment

    def now(self) -> datetime: ...

    def advance(self, step: timedelta) -> None: ...

    def buy(
        self,
        plan: str = "standard",
        *,
        quantity: int | None = None,
        uri: str | None = None,
        foreign: bool = False,
    ) -> tuple[SubscriptionId, str]: ...

    def suspend(self, subscription: SubscriptionId) -> str: ...

    def reinstate(self, subscription: SubscriptionId) -> str: ...

    def unsubscribe(self, subscription: SubscriptionId) -> str: ...

    def ask_for_plan(self, subscription: SubscriptionId, plan: str) -> str: ...

    def strike(self, fault: Fault) -> None: ...

    def total(self, resource: str, dimension: str) -> Decimal: ...


class InMemory(FakeMarketplace):
    """The fake; its clock stands at half past an hour."""

    def __init__(self) -> None:
        self.hands = FakeClock(datetime(2026, 11, 22, 9, 30, tzinfo=UTC))
        super().__init__(self.hands)
        self.metering: Metering = self
        self.fulfillment: Fulfillment = self

    def now(self) -> datetime:
        return self.clock.now()

    def advance(self, step: timedelta) -> None:
        self.hands.advance(step)
        self.tick()

    def strike(self, fault: Fault) -> None:
        self.faults.append(fault)


class OverHttp:
    """The simulator behind our adapters; its control API plays the customers."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self._settings = settings
        self._session = requests.Session()
        tokens = MarketplaceTokens(
            url, settings.tenant_id, settings.marketplace_app_id, ClientSecret(MARKETPLACE_SECRET)
        )
        transport = Transport(url, tokens, timeouts=Timeouts(connect=5, read=10))
        self.metering: Metering = MarketplaceMetering(transport)
        self.fulfillment: Fulfillment = MarketplaceFulfillment(transport)

    def order(self, verb: str, path: str, body: object = None) -> object:
        """One call of the control API."""
        response = self._session.request(verb, f"{self.url}/control{path}", json=body, timeout=10)
        response.raise_for_status()
        return json.loads(response.content or "null", parse_float=Decimal)

    def token(self, form: dict[str, str | None]) -> str:
        """The access token that Entra's stand-in gives for a form."""
        url = f"{self.url}/{self._settings.tenant_id}/oauth2/v2.0/token"
        response = self._session.post(url, data=form, timeout=10)
        response.raise_for_status()
        return _text(response.json(), "access_token")

    def now(self) -> datetime:
        return datetime.fromisoformat(_text(self.order("GET", "/clock"), "now"))

    def advance(self, step: timedelta) -> None:
        self.order("POST", "/clock", {"advanceSeconds": step.total_seconds()})

    def buy(
        self,
        plan: str = "standard",
        *,
        quantity: int | None = None,
        uri: str | None = None,
        foreign: bool = False,
    ) -> tuple[SubscriptionId, str]:
        bought = self.order(
            "POST",
            "/purchases",
            {
                "offerId": MANAGED_OFFER if uri else OFFER,
                "planId": plan,
                "quantity": quantity,
                "resourceUri": uri,
                "foreign": foreign,
            },
        )
        return SubscriptionId(_text(bought, "subscriptionId")), _text(bought, "token")

    def suspend(self, subscription: SubscriptionId) -> str:
        return self._act(subscription, "suspend")

    def reinstate(self, subscription: SubscriptionId) -> str:
        return self._act(subscription, "reinstate")

    def unsubscribe(self, subscription: SubscriptionId) -> str:
        return self._act(subscription, "unsubscribe")

    def ask_for_plan(self, subscription: SubscriptionId, plan: str) -> str:
        return self._act(subscription, "changePlan", {"planId": plan})

    def _act(self, subscription: SubscriptionId, action: str, body: object = None) -> str:
        done = self.order("POST", f"/subscriptions/{subscription}/{action}", body or {})
        return _text(done, "id")

    def strike(self, fault: Fault) -> None:
        for target in ("fulfillment", "metering"):
            if not (isinstance(fault, PartialBatch) and target == "fulfillment"):
                self.order("POST", "/faults", {"target": target, **_rule(fault)})

    def total(self, resource: str, dimension: str) -> Decimal:
        totals = self.order("GET", "/usage/totals")
        assert isinstance(totals, list)
        return sum(
            (
                Decimal(row["quantity"])
                for row in totals
                if row["dimension"] == dimension
                and resource.lower() in (row["subscriptionId"], (row["resourceUri"] or "").lower())
            ),
            Decimal(0),
        )


def _text(body: object, name: str) -> str:
    assert isinstance(body, dict)
    return str(body[name])


def _rule(fault: Fault) -> dict[str, object]:
    match fault:
        case LoseRequest():
            return {"kind": "dropBefore"}
        case LoseAnswer():
            return {"kind": "dropAfter", "items": 0}
        case DelayRequest(by):
            return {"kind": "delayed", "seconds": by.total_seconds()}
        case Throttle(retry_after):
            return {"kind": "throttle", "seconds": retry_after}
        case Refuse(401):
            # A refused token is tried once more with a new one.
            return {"kind": "unauthorized", "count": 2}
        case Refuse():
            return {"kind": "forbidden"}
        case PartialBatch(items, applied):
            return {"kind": "partialBatch", "items": items, "applied": applied}
        case _:
            assert_never(fault)


@contextmanager
def simulator(directory: Path) -> Iterator[OverHttp]:
    """A simulator over HTTP that runs until the block ends."""
    settings = Settings()
    with running(settings, FileClock(directory / "clock")) as bound:
        yield OverHttp(bound.url, settings)


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    with simulator(tmp_path_factory.mktemp("simulator")) as world:
        yield world


@pytest.fixture(params=["fake", "simulator"])
def world(request: pytest.FixtureRequest) -> World:
    """A Marketplace in which nothing has happened yet."""
    if request.param == "fake":
        return InMemory()
    simulated: OverHttp = request.getfixturevalue("over_http")
    simulated.order("POST", "/reset")
    return simulated
