"""Totals: from what an account owes to the units each Marketplace dimension should hold."""

from decimal import Decimal

from shared.domain.catalog.billing import AmountBilling
from shared.domain.errors import InvalidInput
from shared.domain.ids import Resource
from shared.domain.metering.ledger import LedgerKey
from shared.domain.money import CONTEXT, ZERO, floor_to
from shared.domain.rating.rate import Rated, RatedPeriod


def totals(rated: Rated) -> dict[LedgerKey, Decimal]:
    """Units per ledger row over the life of the subscription, so far.

    Amount billing: whole units of the fee dimension, all plans together (a cent is a cent
    under any plan).
    """
    resource = Resource(rated.subscription.id)
    amounts: dict[tuple[LedgerKey, Decimal], Decimal] = {}
    for period in rated.periods:
        billing = _amount_billing(period)
        key = LedgerKey(resource, billing.dimension)
        entry = (key, billing.unit_price)
        amounts[entry] = amounts.get(entry, ZERO) + period.total
    units: dict[LedgerKey, Decimal] = {}
    for (key, unit_price), amount in amounts.items():
        whole = floor_to(CONTEXT.divide(amount, unit_price), 0)
        units[key] = units.get(key, ZERO) + whole
    return units


def _amount_billing(period: RatedPeriod) -> AmountBilling:
    """Raises ``InvalidInput`` for another kind of billing, which no valid catalogue has."""
    billing = period.plan.billing
    if not isinstance(billing, AmountBilling):
        raise InvalidInput(f"plan {period.plan.code} is not billed by amount")
    return billing
