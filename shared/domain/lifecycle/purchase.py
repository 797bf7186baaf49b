"""What the Marketplace says of a subscription: when it is bought, and later."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.subscription import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class MarketplaceSubscription:
    """The Marketplace's view of a subscription (pc-saas-fulfillment-subscription-api).

    Term dates can be missing. People are named by their Entra object ids. E-mail addresses are
    personal data: never logged.
    """

    id: SubscriptionId
    name: str
    offer: str
    plan: str
    status: SubscriptionStatus
    quantity: int | None = None
    term_start: datetime | None = None
    term_end: datetime | None = None
    term_unit: str = ""
    purchaser_email: str = ""
    purchaser_tenant: str = ""
    beneficiary_email: str = ""
    beneficiary_tenant: str = ""
    purchaser_id: str = ""
    beneficiary_id: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a marketplace token resolves to."""

    subscription: MarketplaceSubscription
