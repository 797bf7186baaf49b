"""An operation: a change of a subscription that the Marketplace announces or carries out."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.ids import SubscriptionId


class OperationStatus(StrEnum):
    """How we answer an operation (pc-saas-fulfillment-operations-api)."""

    SUCCESS = "Success"
    FAILURE = "Failure"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as the Marketplace's own API tells it; a webhook's body proves nothing.

    ``action`` stays text: new ones appear without notice.
    """

    id: str
    subscription: SubscriptionId
    action: str
    status: str
    plan: str = ""
    quantity: int | None = None
