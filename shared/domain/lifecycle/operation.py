"""An operation: a change of a subscription that the Marketplace announces or carries out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.ids import SubscriptionId


class OperationStatus(StrEnum):
    """How we answer an operation (pc-saas-fulfillment-operations-api)."""

    SUCCESS = "Success"
    FAILURE = "Failure"


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
