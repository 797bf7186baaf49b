"""Fixed values of the local stack: for development only, no meaning and no power elsewhere."""

from decimal import Decimal
from typing import Final

from local.marketplace.catalog import Dimension, Offer, OfferKind, Plan, Pricing

MARKETPLACE_RESOURCE: Final = (
    "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"  # Microsoft's, the same for all
)

# LOCAL ONLY. Made-up identifiers and secrets: they open nothing but this simulator.
PUBLISHER_TENANT: Final = "11111111-1111-4111-8111-111111111111"
OTHER_TENANT: Final = "22222222-2222-4222-8222-222222222222"
CUSTOMER_TENANT: Final = "33333333-3333-4333-8333-333333333333"
CUSTOMER_USER: Final = "44444444-4444-4444-8444-444444444444"
MARKETPLACE_APP: Final = "aaaaaaaa-0001-4000-8000-000000000001"
API_APP: Final = "aaaaaaaa-0002-4000-8000-000000000002"
BACKEND_APP: Final = "aaaaaaaa-0003-4000-8000-000000000003"
ADMINISTRATOR_APP: Final = "aaaaaaaa-0004-4000-8000-000000000004"
OUTSIDER_APP: Final = "aaaaaaaa-0005-4000-8000-000000000005"
MARKETPLACE_SECRET: Final = "local-only-marketplace"  # noqa: S105 - opens only this simulator
BACKEND_SECRET: Final = "local-only-backend"  # noqa: S105 - opens only this simulator
ADMINISTRATOR_SECRET: Final = "local-only-administrator"  # noqa: S105 - opens only this simulator
OUTSIDER_SECRET: Final = "local-only-outsider"  # noqa: S105 - opens only this simulator
IDENTITY_HEADER: Final = "local-only-identity-header"

LANDING_URL: Final = "http://127.0.0.1:7071/api/landing"

OFFER: Final = "contoso-ai"
MANAGED_OFFER: Final = "contoso-appliance"

_FEE: Final = Dimension(
    "usage_fee", Decimal("0.01"), unit_of_measure="cent", display_name="Usage fee"
)


def offers() -> tuple[Offer, ...]:
    """One SaaS offer billed by amount, by quantity and by seat; one managed application."""
    saas = Offer(
        OFFER,
        (
            Plan("standard", "Standard", "Pay as you go", dimensions=(_FEE,)),
            Plan("scale", "Scale", "For teams", price=Decimal(99), dimensions=(_FEE,)),
            Plan(
                "seats",
                "Seats",
                "Two meters with included quantities",
                price=Decimal(500),
                dimensions=(
                    Dimension("t1", Decimal("4.50"), unit_of_measure="seat", display_name="Tier 1"),
                    Dimension("t2", Decimal("9.00"), unit_of_measure="seat", display_name="Tier 2"),
                ),
                included={"t1": Decimal(100), "t2": Decimal(10)},
            ),
            Plan(
                "users",
                "Users",
                "Priced per user, no meters",
                pricing=Pricing.PER_USER,
                price=Decimal(12),
                max_quantity=1000,
            ),
        ),
        name="Contoso AI",
    )
    managed = Offer(
        MANAGED_OFFER,
        (Plan("appliance", "Appliance", "Managed application", dimensions=(_FEE,)),),
        name="Contoso Appliance",
        kind=OfferKind.MANAGED_APPLICATION,
    )
    return saas, managed
