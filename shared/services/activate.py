"""Turns a purchase into an account: resolved, set up, activated; every step can be repeated."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.domain.ids import AccountCode, shard_of
from shared.domain.lifecycle.purchase import MarketplaceSubscription, Purchase
from shared.domain.lifecycle.subscription import (
    PlanSpell,
    Subscription,
    SubscriptionStatus,
)
from shared.domain.period import cell_minutes, cell_of, hour_of
from shared.ports import Accounts, AgendaEntry, Clock, Fulfillment, Ledger, PutAgenda, Versioned
from shared.services.directory import CatalogCache


@dataclass(frozen=True, slots=True)
class Offered:
    """A purchase and the plan of ours that it means."""

    purchase: Purchase
    plan: ResolvedPlan


class Activate:
    """What the landing page does."""

    def __init__(
        self,
        fulfillment: Fulfillment,
        accounts: Accounts,
        ledger: Ledger,
        catalogs: CatalogCache,
        clock: Clock,
    ) -> None:
        self._fulfillment = fulfillment
        self._accounts = accounts
        self._ledger = ledger
        self._catalogs = catalogs
        self._clock = clock

    def resolve(self, token: str) -> Offered:
        """What a buyer's token stands for. Raises ``InvalidInput`` for a bad token, ``NotFound``
        when the catalogue has no plan for what was bought."""
        if not token:
            raise InvalidInput("the link has no marketplace token")
        purchase = self._fulfillment.resolve(token)
        bought = purchase.subscription
        catalog = self._catalogs.current()
        plan = catalog.plan_for(bought.offer, bought.plan) if catalog else None
        if plan is None:
            raise NotFound(f"the catalogue has no plan for {bought.offer}/{bought.plan}")
        return Offered(purchase, plan)

    def __call__(self, token: str) -> AccountRecord:
        """Set up the account of a purchase and start its billing.

        The account is stored and entered into the agenda before the Marketplace is asked to
        activate: whatever fails, no subscription is ever charged for without an account, and
        repeating finds everything in place. Raises ``Conflict`` for a cancelled purchase.
        """
        offered = self.resolve(token)
        bought = offered.purchase.subscription
        code = self._accounts.link(bought.id, AccountCode(bought.id))
        stored = self._accounts.load(code) or self._create(code, bought)
        subscription = stored.value.subscription
        if subscription is None or subscription.id != bought.id:
            raise Conflict(f"account {code} is paid for by another subscription")
        if bought.status is SubscriptionStatus.UNSUBSCRIBED:
            raise Conflict("this subscription was cancelled and cannot be activated")
        if subscription.status is not SubscriptionStatus.PENDING:
            return stored.value
        if bought.status is SubscriptionStatus.PENDING or not stored.value.plans:
            stored = self._start(stored, subscription, offered.plan)
            self._look_at(code)
        if bought.status is SubscriptionStatus.PENDING:
            self._fulfillment.activate(bought.id, bought.plan, bought.quantity)
        return self._subscribed(stored)

    def _create(
        self, code: AccountCode, bought: MarketplaceSubscription
    ) -> Versioned[AccountRecord]:
        now = self._clock.now()
        subscription = Subscription(
            id=bought.id,
            offer=bought.offer,
            spells=(PlanSpell(bought.plan, now),),
            status=SubscriptionStatus.PENDING,
            name=bought.name,
            quantity=bought.quantity,
        )
        record = AccountRecord(Account(code, bought.name), subscriptions=(subscription,))
        return Versioned(record, self._accounts.create(record))

    def _start(
        self, stored: Versioned[AccountRecord], subscription: Subscription, plan: ResolvedPlan
    ) -> Versioned[AccountRecord]:
        """Note when activation is tried: should its answer be lost, this is the start."""
        now = self._clock.now()
        record = stored.value
        started = replace(subscription, spells=(PlanSpell(subscription.plan, now),))
        attachment = AccountPlan(f"{subscription.id}.1", plan.code, self._cell(record, now))
        record = replace(record, plans=(attachment,), subscriptions=(started,))
        return Versioned(record, self._accounts.save(record, stored.etag))

    def _subscribed(self, stored: Versioned[AccountRecord]) -> AccountRecord:
        record = stored.value
        pending = record.subscriptions[-1]
        active = pending.moved(SubscriptionStatus.SUBSCRIBED, pending.spells[0].start)
        record = replace(record, subscriptions=(*record.subscriptions[:-1], active))
        self._accounts.save(record, stored.etag)
        self._look_at(record.account.code)
        return record

    def _look_at(self, code: AccountCode) -> None:
        entry = AgendaEntry(hour_of(self._clock.now()), code)
        self._ledger.write(shard_of(code), [PutAgenda(entry)])

    def _cell(self, record: AccountRecord, moment: datetime) -> datetime:
        catalog = self._catalogs.current()
        zone = record.account.time_zone or (catalog.organization.time_zone if catalog else "UTC")
        return cell_of(moment, cell_minutes(zone))
