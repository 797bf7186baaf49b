"""What customer, publisher and Microsoft do with subscriptions: pure, in memory, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from pydantic import ConfigDict

from local.marketplace.catalog import WIRE, Offer, OfferKind, Plan, Pricing, replaces, term_months
from local.marketplace.register import (
    CHANGES,
    CUSTOMER,
    GRACE,
    NO_QUIRKS,
    PUBLISHER,
    Kind,
    Refused,
    Register,
)
from local.marketplace.subscription import (
    Action,
    Operation,
    Person,
    PlanPeriod,
    Progress,
    Quirk,
    Status,
    Subscription,
    Term,
)

TOKEN_LIFE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What a customer orders; ``resource_uri`` only for managed applications.

    Raises ValueError for an unknown term unit.
    """

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    offer_id: str
    plan_id: str
    name: str = "Contoso Cloud Solution"
    quantity: int | None = None
    term_unit: str | None = None
    auto_renew: bool = True
    purchaser: Person | None = None
    beneficiary: Person | None = None
    resource_uri: str | None = None
    by_reseller: bool = False
    foreign: bool = False
    not_authorized_for_seconds: float = 0

    def __post_init__(self) -> None:
        if self.term_unit is not None:
            term_months(self.term_unit)


class Marketplace(Register):
    """The actors' verbs on the register; every method takes the time it happens at."""

    def __init__(self, offers: Iterable[Offer], seed: int, customer: Person) -> None:
        super().__init__(offers, seed)
        self._customer = customer
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._by_uri: dict[str, str] = {}

    def publish(self, offer: Offer) -> None:
        """Add or replace an offer. Raises ValueError when locked dimensions would go."""
        if offer.id in self.offers:
            replaces(self.offers[offer.id], offer)
        self.offers[offer.id] = offer

    def plan(self, offer_id: str, plan_id: str) -> Plan | None:
        """A plan on sale or sold."""
        offer = self.offers.get(offer_id)
        return offer.plan(plan_id) if offer else None

    def purchase(self, order: Purchase, now: datetime) -> tuple[Subscription, str]:
        """Buy: a pending subscription and its landing page token. Raises Refused.

        A managed application needs no activation and is Subscribed at once.
        """
        offer = self.offers.get(order.offer_id)
        plan = self.plan(order.offer_id, order.plan_id)
        if offer is None or plan is None or plan.is_stop_sell:
            raise Refused(Kind.NOT_FOUND, f"no plan {order.plan_id!r} of {order.offer_id!r}")
        managed = offer.kind is OfferKind.MANAGED_APPLICATION
        if managed != (order.resource_uri is not None):
            raise Refused(Kind.INVALID, "resourceUri belongs to managed applications only")
        known = self.by_uri(order.resource_uri or "")
        if known is not None and known.status is not Status.UNSUBSCRIBED:
            raise Refused(Kind.CONFLICT, "the managed application exists already")
        purchaser = order.purchaser or self._customer
        subscription = Subscription(
            id=self.ids.guid(),
            name=order.name,
            offer_id=offer.id,
            plan_id=plan.id,
            status=Status.PENDING,
            created=now,
            beneficiary=order.beneficiary or purchaser,
            purchaser=purchaser,
            azure_subscription_id=self.ids.guid(),
            term_unit=order.term_unit or plan.term_unit,
            quantity=_seats(plan, order.quantity),
            auto_renew=order.auto_renew,
            free_trial=plan.has_free_trials,
            allowed=("Read",) if order.by_reseller else ("Delete", "Update", "Read"),
            resource_uri=order.resource_uri,
            foreign=order.foreign,
            metering_opens=now + timedelta(seconds=order.not_authorized_for_seconds),
        )
        if order.resource_uri is not None:
            self._by_uri[order.resource_uri.lower()] = subscription.id
        self.store(subscription)
        self.due(now + GRACE, subscription.id)
        if managed and not order.foreign:
            subscription = self._begin(subscription, now)
        return subscription, self.issue_token(subscription.id, now)

    def issue_token(self, subscription_id: str, now: datetime) -> str:
        """A fresh landing page token, as "Configure" and "Manage" give the customer."""
        token = self.ids.token()
        self._tokens[token] = (self.subscription(subscription_id).id, now)
        return token

    def resolve(self, token: str, now: datetime) -> Subscription:
        """The subscription of a token of at most 24 hours. Raises Refused."""
        found, issued = self._tokens.get(token, ("", now))
        if not found or now - issued > TOKEN_LIFE:
            raise Refused(Kind.INVALID, "the marketplace token is missing, malformed or expired")
        return self.owned(found)

    def by_uri(self, resource_uri: str) -> Subscription | None:
        """The managed application of an ARM id; ARM ids ignore case."""
        return self.subscriptions.get(self._by_uri.get(resource_uri.lower(), ""))

    def activate(
        self, subscription_id: str, plan_id: str, quantity: int | None, now: datetime
    ) -> Subscription:
        """Start billing; the first term begins today. Raises Refused."""
        subscription = self.owned(subscription_id)
        if subscription.status is Status.UNSUBSCRIBED:
            raise Refused(Kind.NOT_FOUND, "the subscription is Unsubscribed")
        if subscription.status is not Status.PENDING:
            raise Refused(Kind.INVALID, f"the subscription is {subscription.status}")
        if plan_id != subscription.plan_id:
            raise Refused(Kind.INVALID, f"the subscription was bought with {subscription.plan_id}")
        if quantity is not None and quantity != subscription.quantity:
            raise Refused(Kind.INVALID, f"the subscription has quantity {subscription.quantity}")
        return self._begin(subscription, now)

    def _begin(self, subscription: Subscription, now: datetime) -> Subscription:
        term = Term(now.astimezone(UTC).date(), subscription.term_unit)
        self.due(term.renewal, subscription.id)
        return self.store(
            replace(
                subscription,
                status=Status.SUBSCRIBED,
                activated=now,
                term=term,
                plans=(PlanPeriod(now, subscription.plan_id),),
            )
        )

    def suspend(
        self, subscription_id: str, now: datetime, quirks: frozenset[Quirk] = NO_QUIRKS
    ) -> Operation:
        """Payment failed. Raises Refused unless Subscribed."""
        subscription = self.expect(subscription_id, Status.SUBSCRIBED)
        self.store(replace(subscription, status=Status.SUSPENDED, suspended=now))
        self.due(now + GRACE, subscription.id)
        return self.announce(subscription.id, Action.SUSPEND, now, CUSTOMER, quirks)

    def reinstate(
        self, subscription_id: str, now: datetime, quirks: frozenset[Quirk] = NO_QUIRKS
    ) -> Operation:
        """Payment came: still Suspended until the operation has finished. Raises Refused."""
        subscription = self.expect(subscription_id, Status.SUSPENDED)
        if Quirk.REINSTATE_SUCCEEDED in quirks:
            self.resume(subscription, now)
            return self.announce(subscription.id, Action.REINSTATE, now, CUSTOMER, quirks)
        return self.open(subscription, Action.REINSTATE, now, CUSTOMER, quirks)

    def notify(
        self, subscription_id: str, action: str, now: datetime, quirks: frozenset[Quirk]
    ) -> Operation:
        """Send a notification of any name, known or not, that changes nothing."""
        subscription = self.subscription(subscription_id)
        return self.announce(subscription.id, action, now, CUSTOMER, quirks)

    def change_plan(
        self,
        subscription_id: str,
        plan_id: str,
        now: datetime,
        source: str,
        quirks: frozenset[Quirk] = NO_QUIRKS,
    ) -> Operation:
        """Ask for another plan. Raises Refused."""
        subscription = self._changeable(subscription_id, source)
        plan = self.plan(subscription.offer_id, plan_id)
        if plan is None or plan.is_stop_sell or plan_id == subscription.plan_id:
            raise Refused(Kind.INVALID, "the new plan does not exist or is the current one")
        asked = replace(subscription, plan_id=plan_id, quantity=_carried(plan, subscription))
        return self.open(asked, Action.CHANGE_PLAN, now, source, quirks)

    def change_quantity(
        self,
        subscription_id: str,
        quantity: int,
        now: datetime,
        source: str,
        quirks: frozenset[Quirk] = NO_QUIRKS,
    ) -> Operation:
        """Ask for another number of seats. Raises Refused."""
        subscription = self._changeable(subscription_id, source)
        plan = self.plan(subscription.offer_id, subscription.plan_id)
        if plan is None or plan.pricing is not Pricing.PER_USER:
            raise Refused(Kind.INVALID, "the plan is not priced per seat")
        if quantity == subscription.quantity:
            raise Refused(Kind.INVALID, "the new quantity is the current one")
        asked = replace(subscription, quantity=_seats(plan, quantity))
        return self.open(asked, Action.CHANGE_QUANTITY, now, source, quirks)

    def request_delete(self, subscription_id: str, now: datetime) -> Operation:
        """The publisher cancels. Raises Refused; a pending change locks the subscription."""
        subscription = self.owned(subscription_id)
        if subscription.status is Status.UNSUBSCRIBED or "Delete" not in subscription.allowed:
            raise Refused(Kind.INVALID, "Delete is not in allowedCustomerOperations")
        if any(open_.action != Action.REINSTATE for open_ in self.outstanding(subscription.id)):
            raise Refused(Kind.CONFLICT, "the subscription is locked by a pending operation")
        return self.open(subscription, Action.UNSUBSCRIBE, now, PUBLISHER, NO_QUIRKS)

    def answer(
        self, subscription_id: str, operation_id: str, *, success: bool, now: datetime
    ) -> Operation:
        """The publisher's PATCH. Repeating an answer is fine, contradicting it is a conflict.

        A Reinstate cannot be refused: newer documentation says to call DELETE instead.
        Raises Refused.
        """
        operation = self.operation(subscription_id, operation_id)
        wanted = Progress.SUCCEEDED if success else Progress.FAILED
        if operation.status is wanted:
            return operation
        if operation.status is not Progress.IN_PROGRESS:
            raise Refused(Kind.CONFLICT, f"the operation is already {operation.status}")
        if operation.action == Action.REINSTATE and not success:
            raise Refused(Kind.CONFLICT, "a Reinstate cannot be refused, delete instead")
        if operation.action == Action.UNSUBSCRIBE:
            raise Refused(Kind.CONFLICT, "an Unsubscribe needs no answer")
        if success:
            return self._accepted(self.finish(operation, now))
        return self.close(operation, Progress.FAILED, "the publisher refused")

    def _accepted(self, finished: Operation) -> Operation:
        if finished.status is not Progress.SUCCEEDED:
            raise Refused(Kind.CONFLICT, finished.error)
        return finished

    def refuse(self, operation_id: str) -> None:
        """The webhook answered 4xx to a change that is still open."""
        operation = self.operations.get(operation_id)
        refusable = operation is not None and operation.action in CHANGES
        if operation is not None and refusable and operation.status is Progress.IN_PROGRESS:
            self.close(operation, Progress.FAILED, "the webhook was answered 4xx")

    def _changeable(self, subscription_id: str, source: str) -> Subscription:
        subscription = self.expect(subscription_id, Status.SUBSCRIBED)
        if source == PUBLISHER and "Update" not in self.owned(subscription_id).allowed:
            raise Refused(Kind.INVALID, "Update is not in allowedCustomerOperations")
        return subscription


def _seats(plan: Plan, quantity: int | None) -> int | None:
    if plan.pricing is Pricing.FLAT_RATE:
        if quantity is not None:
            raise Refused(Kind.INVALID, "a flat-rate plan has no quantity")
        return None
    seats = plan.min_quantity if quantity is None else quantity
    if not plan.min_quantity <= seats <= plan.max_quantity:
        raise Refused(Kind.INVALID, f"quantity {seats} is outside the plan's limits")
    return seats


def _carried(plan: Plan, subscription: Subscription) -> int | None:
    """The seats taken along to another plan: kept as far as that plan's limits allow."""
    if plan.pricing is Pricing.FLAT_RATE:
        return None
    seats = subscription.quantity or plan.min_quantity
    return min(max(seats, plan.min_quantity), plan.max_quantity)
