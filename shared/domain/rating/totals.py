"""Totals: from what a family owes to the units each Marketplace dimension should hold."""

from decimal import Decimal

from shared.domain.ids import Resource
from shared.domain.metering.ledger import LedgerKey
from shared.domain.money import CONTEXT, ZERO, floor_to
from shared.domain.rating.statement import Statement


def totals(statement: Statement) -> dict[LedgerKey, Decimal]:
    """Units per ledger row over the life of the subscription, so far.

    Amount billing: whole units of the fee dimension, all plans together (a cent is a cent under
    any plan), of locked bills what they froze. Quantity billing: units by dimension and plan.
    """
    resource = Resource(statement.subscription.id)
    frozen = [amount for bill in statement.locked for amount in bill.due]
    dollars: dict[tuple[LedgerKey, Decimal], Decimal] = {}
    for amount in (*frozen, *statement.due()):
        entry = (LedgerKey(resource, amount.dimension), amount.unit_price)
        dollars[entry] = dollars.get(entry, ZERO) + amount.dollars
    units: dict[LedgerKey, Decimal] = {}
    for (key, unit_price), due in dollars.items():
        whole = floor_to(CONTEXT.divide(due, unit_price), 0)
        units[key] = units.get(key, ZERO) + whole
    for (dimension, plan), quantity in statement.units.items():
        units[LedgerKey(resource, dimension, plan)] = quantity
    return units
