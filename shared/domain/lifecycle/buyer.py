"""Who opens the landing page, and whether the purchase is theirs to activate."""

from dataclasses import dataclass, field

from shared.domain.lifecycle.purchase import MarketplaceSubscription

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The one tenant of all personal Microsoft accounts: being in it says nothing about a person."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """A person who signed in with Entra ID. ``id`` is the object id; all but ``email`` is in
    lower case. Personal data: never logged."""

    tenant: str
    id: str
    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)


def may_activate(buyer: Buyer, bought: MarketplaceSubscription) -> bool:
    """Whether ``buyer`` is the beneficiary, one of the beneficiary's organization, or the
    purchaser (pc-saas-fulfillment-life-cycle: the landing page identifies the buyer).

    A purchase that names nobody may be activated by whoever holds its token and signed in.
    """
    people = (
        (bought.beneficiary_tenant, bought.beneficiary_id, bought.beneficiary_email),
        (bought.purchaser_tenant, bought.purchaser_id, bought.purchaser_email),
    )
    if not any(any(person) for person in people):
        return True
    if any(_same(buyer, *person) for person in people):
        return True
    tenant = bought.beneficiary_tenant.lower()
    return bool(tenant) and tenant != PERSONAL and tenant == buyer.tenant


def _same(buyer: Buyer, tenant: str, id_: str, email: str) -> bool:
    """The same person: by object id in the same tenant, or by e-mail where no id is known."""
    if tenant and tenant.lower() != buyer.tenant:
        return False
    if id_:
        return id_.lower() == buyer.id
    return bool(email) and email.casefold() == buyer.email.casefold()
