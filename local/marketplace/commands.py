"""What the control API and the page can order, as typed commands."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from local.marketplace.catalog import WIRE
from local.marketplace.register import CUSTOMER, PUBLISHER, Kind, Refused
from local.marketplace.simulator import Simulator
from local.marketplace.subscription import Operation, Quirk


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An action on a subscription; ``by`` decides operationRequestSource."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    plan_id: str | None = None
    quantity: int | None = None
    by: Literal["customer", "publisher"] = "customer"
    action: str = "Subscribe"
    quirks: frozenset[Quirk] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A step of the clock."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    advance_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """How long to wait for the webhook sender, in real time."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    timeout_seconds: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """A change of signing keys."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """A token with any claims, right or wrong, for tests of a receiver; null removes a claim."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    version: Literal["v1", "v2"] = "v2"
    audience: str | None = None
    client_id: str | None = None
    claims: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recon:
    """A reconciliation status for one day's usage of a resource, dimension and plan."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    day: str
    resource_id: str
    dimension: str
    plan_id: str
    status: Literal["Submitted", "Accepted", "Rejected", "Mismatch", "TestHeaders", "DryRun"]
    processed_quantity: Decimal = Decimal(0)


ACT: Final = TypeAdapter(Act)
ADVANCE: Final = TypeAdapter(Advance)
SETTLE: Final = TypeAdapter(Settle)
ROTATE: Final = TypeAdapter(Rotate)
MINT: Final = TypeAdapter(Mint)
RECON: Final = TypeAdapter(Recon)


def act(simulator: Simulator, subscription_id: str, name: str, order: Act) -> Operation | None:
    """Do what ``name`` says now. Raises Refused."""
    market, now = simulator.market, simulator.tick()
    source = PUBLISHER if order.by == "publisher" else CUSTOMER
    key, quirks = subscription_id, order.quirks
    match name:
        case "activate":
            plan_id = order.plan_id or market.subscription(key).plan_id
            market.activate(key, plan_id, order.quantity, now)
            return None
        case "changePlan" if order.plan_id is not None:
            return market.change_plan(key, order.plan_id, now, source, quirks)
        case "changeQuantity" if order.quantity is not None:
            return market.change_quantity(key, order.quantity, now, source, quirks)
        case "suspend":
            return market.suspend(key, now, quirks)
        case "reinstate":
            return market.reinstate(key, now, quirks)
        case "renew":
            return market.renew(key, now, quirks)
        case "unsubscribe":
            return market.unsubscribe(key, now, quirks)
        case "notify":
            return market.notify(key, order.action, now, quirks)
    raise Refused(Kind.INVALID, f"{name} is unknown or lacks its planId or quantity")
