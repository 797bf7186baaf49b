"""Faults of the credits and prepayments that come with a plan."""

from collections.abc import Iterator

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import Plan, PlanTemplate
from shared.domain.catalog.purchase_grants import PurchaseCredit, PurchasePrepayment
from shared.domain.catalog.validation.references import code_faults, unknown
from shared.domain.errors import FieldError
from shared.domain.grant_faults import (
    amount_faults,
    description_faults,
    priority_faults,
    surcharge_faults,
)

MAX_GRANTS = 20
"""Of each kind; an account's whole set-up is stored in one transaction."""

MAX_DAYS = 3650


def grant_faults(place: str, holder: Plan | PlanTemplate, catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with what comes with a purchase."""
    prepayments = holder.prepayments or ()
    codes = [credit.code for credit in holder.credits or ()]
    yield from code_faults(f"{place}/credits", codes)
    others = [prepayment.code for prepayment in prepayments]
    yield from code_faults(f"{place}/prepayments", others, codes, "a credit of this plan")
    billed = catalog.organization.currency
    priced = holder.currency or billed
    for name, given in (("credits", codes), ("prepayments", others)):
        if len(given) > MAX_GRANTS:
            yield FieldError(f"{place}/{name}", f"must be at most {MAX_GRANTS}")
        if given and priced != billed:
            # Grants are drawn down on the bill; buyers are shown them beside the plan's prices.
            message = f"is given in {billed}, in which bills are made; the plan is in {priced}"
            yield FieldError(f"{place}/{name}", message)
    for index, credit in enumerate(holder.credits or ()):
        yield from _faults(f"{place}/credits/{index}", credit, catalog)
    for index, prepayment in enumerate(prepayments):
        yield from _faults(f"{place}/prepayments/{index}", prepayment, catalog)


def _faults(
    place: str, grant: PurchaseCredit | PurchasePrepayment, catalog: Catalog
) -> Iterator[FieldError]:
    yield from amount_faults(f"{place}/amount", grant.amount)
    if grant.days is not None and not 1 <= grant.days <= MAX_DAYS:
        yield FieldError(f"{place}/days", f"must be 1 to {MAX_DAYS}")
    yield from priority_faults(f"{place}/priority", grant.priority)
    yield from description_faults(f"{place}/description", grant.description)
    if isinstance(grant, PurchasePrepayment):
        pointer = f"{place}/overageSurchargePercent"
        yield from surcharge_faults(pointer, grant.overage_surcharge_percent)
    known = [product.code for product in catalog.products]
    for index, product in enumerate(grant.products):
        if product not in known:
            yield FieldError(f"{place}/products/{index}", unknown("product", product, known))
        elif product in grant.products[:index]:
            yield FieldError(f"{place}/products/{index}", f"{product} is there twice")
