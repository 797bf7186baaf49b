"""Turns a purchase into an account: what the landing page does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.domain.account import AccountRecord
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.errors import Forbidden, InvalidInput
from shared.domain.ids import AccountCode
from shared.domain.lifecycle.buyer import Buyer, may_activate
from shared.domain.lifecycle.landing import LandingField, answers_of
from shared.domain.lifecycle.purchase import Purchase
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.money import to_text
from shared.ports import Fulfillment
from shared.services.set_up import SetUp, Wanted

BUYER = "buyer"
"""The actor in the audit trail: a buyer's name is personal data."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A purchase, the name of our plan for it, what the publisher asks, whether the account is set
    up, and what comes with the purchase, in words."""

    purchase: Purchase
    plan: str
    fields: tuple[LandingField, ...] = ()
    done: bool = False
    gifts: tuple[str, ...] = ()


class NotTheirs(Forbidden):
    """Who signed in is neither the beneficiary nor the purchaser."""

    code = "not-the-buyer"


@dataclass(frozen=True, slots=True)
class Activate:
    """Resolves a buyer's token, checks whose purchase it is, and sets the account up."""

    fulfillment: Fulfillment
    set_up: SetUp
    fields: tuple[LandingField, ...] = ()

    def resolve(self, token: str, buyer: Buyer | None = None) -> Offered:
        """What a buyer's token stands for.

        Raises ``InvalidInput`` for a bad token, ``NotTheirs`` for somebody else's, ``NotFound``
        when the catalogue has no plan for what was bought. Without ``buyer`` the token alone
        is the proof: for callers that proved who they are in another way.
        """
        purchase = self._theirs(token, buyer)
        bought = purchase.subscription
        if bought.status is SubscriptionStatus.UNSUBSCRIBED:
            return Offered(purchase, bought.plan)
        plan, done = self.set_up.plan(bought), self.set_up.is_done(bought)
        gifts = () if done else tuple(_gifts(plan))
        return Offered(purchase, plan.name or plan.code, self.fields, done, gifts)

    def __call__(
        self, token: str, buyer: Buyer | None = None, form: Mapping[str, str] | None = None
    ) -> AccountRecord:
        """Set up the account of a purchase and start its billing.

        Raises what ``resolve`` raises, ``InvalidInput`` for missing answers, and ``Conflict``
        for a cancelled purchase.
        """
        bought = self._theirs(token, buyer).subscription
        answers = answers_of(self.fields, form) if form is not None else {}
        return self.set_up(bought, Wanted(AccountCode(bought.id), BUYER, answers))

    def _theirs(self, token: str, buyer: Buyer | None) -> Purchase:
        if not token:
            raise InvalidInput("the link has no marketplace token")
        purchase = self.fulfillment.resolve(token)
        if buyer is not None and not may_activate(buyer, purchase.subscription):
            raise NotTheirs("the purchase belongs to somebody else")
        return purchase


def _gifts(plan: ResolvedPlan) -> Iterator[str]:
    """Credits and prepayments of a plan, as a buyer reads them."""
    for kind, offered in (("credit", plan.credits), ("prepayment", plan.prepayments)):
        for each in offered:
            span = f" for {each.days} days" if each.days else ""
            name = f"{each.description}: " if each.description else ""
            yield f"{name}{to_text(each.amount)} {plan.currency} {kind}{span}"
