"""An operation: a change of a subscription that the Marketplace announces or carries out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.ids import SubscriptionId


class OperationStatus(StrEnum):
    """How we answer an operation (pc-saas-fulfillment-operations-api)."""

    SUCCESS = "Success"
    FAILURE = "Failure"


class Action(StrEnum):
    """The documented actions (pc-saas-fulfillment-webhook); others appear without notice."""

    CHANGE_PLAN = "ChangePlan"
    CHANGE_QUANTITY = "ChangeQuantity"
    RENEW = "Renew"
    SUSPEND = "Suspend"
    REINSTATE = "Reinstate"
    UNSUBSCRIBE = "Unsubscribe"


class Origin(StrEnum):
    """Who began an operation, as far as we know."""

    MARKETPLACE = "marketplace"
    PUBLISHER = "publisher"


ENDED = frozenset({"Succeeded", "Failed", "Conflict"})
"""Statuses after which nothing more happens to an operation."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as the Marketplace's own API tells it; a webhook's body proves nothing.

    ``action`` stays text: new ones appear without notice. ``at`` is when it was asked for.
    """

    id: str
    subscription: SubscriptionId
    action: str
    status: str
    plan: str = ""
    quantity: int | None = None
    at: datetime | None = None
    offer: str = ""

    @property
    def ended(self) -> bool:
        """Whether the Marketplace is done with it."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Decision:
    """What we decided about a change, once and for all; ``reason`` says why it was refused."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """What is kept of an operation. ``done``: it has ended, and our own state follows it.

    ``by`` is the caller who asked for it, where that was not the Marketplace.
    """

    operation: Operation
    received: datetime
    origin: Origin = Origin.MARKETPLACE
    decision: Decision | None = None
    done: bool = False
    by: str = ""


def decide(operation: Operation, *, priced: bool, max_quantity: int) -> Decision | None:
    """Whether a change is taken; ``None`` for what is only a notice.

    ``priced``: the catalogue has a price list for the plan that the operation names. A change
    that could not be billed is refused. A reinstatement cannot be (pc-saas-fulfillment-webhook).
    """
    match operation.action:
        case Action.CHANGE_PLAN if not priced:
            return Decision(False, f"the catalogue has no plan for {operation.plan}")
        case Action.CHANGE_QUANTITY if not _allowed(operation.quantity, max_quantity):
            return Decision(False, f"the quantity must be from 1 to {max_quantity:,}")
        case Action.CHANGE_PLAN | Action.CHANGE_QUANTITY | Action.REINSTATE:
            return Decision(True)
        case _:
            return None


def _allowed(quantity: int | None, most: int) -> bool:
    return quantity is not None and 1 <= quantity <= most
