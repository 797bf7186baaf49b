"""The closed union of charge models, and the one place that tells them apart."""

from decimal import Decimal

from shared.domain.rating.charge import Priced
from shared.domain.rating.tiered import Tiered, charge_tiered

type ChargeModel = Tiered


def charge(model: ChargeModel, quantity: Decimal) -> Priced:
    """The exact price of ``quantity`` units, quantity not negative."""
    return charge_tiered(model, quantity)
