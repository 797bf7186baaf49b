"""Sets up, at the publisher's word, a subscription that no buyer brought over the landing page."""

from dataclasses import dataclass

from shared.domain.account import AccountRecord
from shared.domain.errors import ConcurrentUpdate, Conflict, InvalidInput, NotFound
from shared.domain.ids import AccountCode, SubscriptionId, is_code
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.ports import Fulfillment
from shared.services.set_up import SetUp, Wanted

ATTEMPTS = 8
"""Another order, or the buyer, may do the same work beside this one."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """For subscriptions that were activated elsewhere, for those whose buyer never came, and for
    a new subscription that replaces an old one of the same customer."""

    fulfillment: Fulfillment
    set_up: SetUp

    def __call__(
        self,
        subscription: SubscriptionId,
        account: str | None,
        actor: str,
        *,
        pending: bool = False,
    ) -> AccountRecord:
        """Set up ``account``, by default one of the subscription's own id.

        ``pending``: start the billing of a purchase that is not active yet. Without it only what
        is active already is adopted, billed here from now on. Raises ``NotFound``, and ``Conflict``
        for a state that does not allow it, an account that another subscription pays for, or a
        child account.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return self._adopted(subscription, account, actor, pending=pending)
            except ConcurrentUpdate:
                continue
        return self._adopted(subscription, account, actor, pending=pending)

    def _adopted(
        self, subscription: SubscriptionId, account: str | None, actor: str, *, pending: bool
    ) -> AccountRecord:
        theirs = self._fetched(subscription)
        if theirs.status is SubscriptionStatus.PENDING and not pending:
            raise Conflict("the purchase is not active yet: activate it")
        code = account or theirs.id
        if not is_code(code):
            raise InvalidInput("an account's code is made of letters, digits, '.', '_' and '-'")
        self.set_up.check_payer(AccountCode(code))
        return self.set_up(theirs, Wanted(AccountCode(code), actor))

    def _fetched(self, subscription: SubscriptionId) -> MarketplaceSubscription:
        theirs = self.fulfillment.get(subscription)
        if theirs is None:
            raise NotFound(f"the Marketplace knows no subscription {subscription}")
        return theirs
