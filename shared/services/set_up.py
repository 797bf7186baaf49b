"""Sets an account up for a subscription, in the one order in which nothing is billed wrongly."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.purchase_grants import Given, credits_with, prepayments_with
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.errors import Conflict, NotFound
from shared.domain.grants import Credit, Prepayment
from shared.domain.ids import AccountCode, Resource, shard_of
from shared.domain.lifecycle.follow import (
    add_ons,
    attachment_id,
    changes_between,
    replaced,
    subscription_of,
)
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.slots import MARKETPLACE_WINDOW
from shared.domain.money import to_text
from shared.domain.period import cell_minutes, cell_of, hour_of
from shared.ports import Accounts, AgendaEntry, Clock, Fulfillment, Ledger, PutAgenda, Versioned
from shared.services.chronicle import Chronicle
from shared.services.directory import CatalogCache

BESIDE = timedelta(seconds=10)
"""An attempt this recent may still be going on beside this one, as after a double click: what it
noted stands."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to set up: the account, who asks, and the buyer's answers."""

    account: AccountCode
    actor: str
    answers: Mapping[str, str] = field(default_factory=dict)


class SetUp:
    """Account → credits and prepayments → plan → activation; each step can be repeated.

    What comes with the plan is stored in one transaction with it, so that no usage is ever rated
    without; the plan's scheduled charges fall due by its being there. The account is stored and
    entered into the agenda before the Marketplace is asked to activate: whatever fails, no
    subscription is ever charged for without an account, and repeating finds everything in place.
    """

    def __init__(
        self,
        fulfillment: Fulfillment,
        accounts: Accounts,
        ledger: Ledger,
        catalogs: CatalogCache,
        clock: Clock,
        chronicle: Chronicle,
    ) -> None:
        self._fulfillment = fulfillment
        self._accounts = accounts
        self._ledger = ledger
        self._catalogs = catalogs
        self._clock = clock
        self._chronicle = chronicle

    def plan(self, bought: MarketplaceSubscription) -> ResolvedPlan:
        """Our plan for what was bought. Raises ``NotFound``."""
        catalog = self._catalogs.current()
        plan = catalog.plan_for(bought.offer, bought.plan) if catalog else None
        if plan is None:
            raise NotFound(f"the catalogue has no plan for {bought.offer}/{bought.plan}")
        return plan

    def is_done(self, bought: MarketplaceSubscription) -> bool:
        """Whether there is an account for which the subscription has begun."""
        code = self._accounts.account_of(bought.id)
        stored = None if code is None else self._accounts.load(code)
        ours = subscription_of(stored.value, bought.id) if stored else None
        return ours is not None and ours.status is not SubscriptionStatus.PENDING

    def __call__(self, bought: MarketplaceSubscription, wanted: Wanted) -> AccountRecord:
        """Set up, and start billing where the Marketplace has not started it.

        Raises ``Conflict`` for a cancelled subscription, and when the account is paid for by
        another one.
        """
        if bought.status is SubscriptionStatus.UNSUBSCRIBED:
            raise Conflict("this subscription was cancelled and cannot be activated")
        plan = self.plan(bought)
        code = self._accounts.link(bought.id, wanted.account)
        if code != wanted.account and wanted.account != AccountCode(bought.id):
            raise Conflict(f"subscription {bought.id} belongs to account {code}")
        stored = self._accounts.load(code) or self._create(code, bought, wanted)
        ours = subscription_of(stored.value, bought.id)
        if ours is None:
            stored = self._succeed(stored, bought, wanted)
            ours = stored.value.subscriptions[-1]
        if ours is not stored.value.subscriptions[-1]:
            raise Conflict(f"account {code} is paid for by another subscription")
        if ours.status is not SubscriptionStatus.PENDING:
            return stored.value
        stored = self._ready(stored, bought, plan, wanted)
        if bought.status is SubscriptionStatus.PENDING:
            self._fulfillment.activate(bought.id, bought.plan, bought.quantity)
        return self._started(stored, bought.status, wanted.actor)

    def _ready(
        self,
        stored: Versioned[AccountRecord],
        bought: MarketplaceSubscription,
        plan: ResolvedPlan,
        wanted: Wanted,
    ) -> Versioned[AccountRecord]:
        """The account with its plan, ready to be activated."""
        ours = stored.value.subscriptions[-1]
        tried = any(_is_of(attached, ours) for attached in stored.value.plans)
        recent = self._clock.now() - ours.spells[0].start < BESIDE and ours.plan == bought.plan
        if not tried or (bought.status is SubscriptionStatus.PENDING and not recent):
            return self._attach(stored, bought, plan, wanted)
        self._look_at(stored.value.account.code)
        return stored

    def _create(
        self, code: AccountCode, bought: MarketplaceSubscription, wanted: Wanted
    ) -> Versioned[AccountRecord]:
        sold = _sold(bought, wanted, self._clock.now())
        record = AccountRecord(Account(code, bought.name), subscriptions=(sold,))
        try:
            return Versioned(record, self._accounts.create(record))
        except Conflict:
            stored = self._accounts.load(code)
            if stored is None:
                raise
            return stored

    def check_payer(self, code: AccountCode) -> None:
        """Raises ``Conflict`` for a child: it is billed through its parent's subscription, and its
        usage is kept where that is billed."""
        stored = self._accounts.load(code)
        parent = None if stored is None else stored.value.account.parent
        if parent is not None:
            raise Conflict(f"account {code} is a child of {parent}, which pays for it: name that")

    def _succeed(
        self, stored: Versioned[AccountRecord], bought: MarketplaceSubscription, wanted: Wanted
    ) -> Versioned[AccountRecord]:
        """Let a new subscription pay for an account whose last one is over and settled.

        Raises ``Conflict`` until then: what the old one owes is only reported while it is the
        one that pays.
        """
        record, now = stored.value, self._clock.now()
        old = record.subscription
        if old is not None and not self._settled(record.account.code, old, now):
            raise Conflict(
                f"account {record.account.code} still has subscription {old.id}: link the new one "
                "once the old one has ended and its last usage was reported, as a rule within a day"
            )
        sold = _sold(bought, wanted, now)
        record = replace(record, subscriptions=(*record.subscriptions, sold))
        return Versioned(record, self._accounts.save(record, stored.etag))

    def _settled(self, code: AccountCode, old: Subscription, now: datetime) -> bool:
        """Whether nothing of ``old`` is to be reported any more, and its last cell is over: that
        cell's usage would count as the new one's, too."""
        if old.status is not SubscriptionStatus.UNSUBSCRIBED or old.end is None:
            return False
        if old.start is None:
            return True
        if hour_of(now) < old.end:
            return False
        rows = [r.value for r in self._ledger.rows(shard_of(code), Resource(old.id)).values()]
        if any(row.open_hour is not None for row in rows):
            return False
        if now - old.end > MARKETPLACE_WINDOW:
            return all(r.rated <= r.committed + r.written_off + r.refunded for r in rows)
        return bool(rows) and all(row.flushed for row in rows)

    def _attach(
        self,
        stored: Versioned[AccountRecord],
        bought: MarketplaceSubscription,
        plan: ResolvedPlan,
        wanted: Wanted,
    ) -> Versioned[AccountRecord]:
        """Attach the plan with what comes with it, and note the start: should the answer to the
        activation be lost, this is when it began."""
        now = self._clock.now()
        record = stored.value
        ours = replace(
            record.subscriptions[-1],
            spells=(PlanSpell(bought.plan, now),),
            answers=dict(wanted.answers) or record.subscriptions[-1].answers,
            quantity=bought.quantity,
        )
        cell = self._cell(record, now)
        attachment = AccountPlan(attachment_id(ours, 1), plan.code, cell)
        kept = self._add_ons(record, plan)
        over = (p for p in record.plans if p not in kept and not _is_of(p, ours))
        given = Given(bought.id, cell, now)
        record = replace(
            record,
            prepayments=prepayments_with(record.prepayments, plan.prepayments, given),
            credits=credits_with(record.credits, plan.credits, given),
            plans=replaced(over, attachment, kept),
            subscriptions=(*record.subscriptions[:-1], ours),
        )
        self._note_given(record, given, wanted.actor)
        stored = Versioned(record, self._accounts.save(record, stored.etag))
        self._look_at(record.account.code)
        return stored

    def _add_ons(self, record: AccountRecord, plan: ResolvedPlan) -> tuple[AccountPlan, ...]:
        """Plans attached by API that go beside the purchase: of other products, and not from the
        time of an earlier subscription, which ended them."""
        catalog = self._catalogs.current()
        found = add_ons(record, catalog.plans_beside(plan.product) if catalog else ())
        ends = [s.end for s in record.subscriptions[:-1] if s.end is not None]
        return tuple(p for p in found if all(p.start >= end for end in ends))

    def _note_given(self, record: AccountRecord, given: Given, actor: str) -> None:
        """Enter into the audit trail what comes with the purchase."""
        grants: tuple[Prepayment | Credit, ...] = (*record.prepayments, *record.credits)
        for grant in grants:
            if given.is_own(grant):
                kind = "credit" if isinstance(grant, Credit) else "prepayment"
                detail = {"id": grant.id, "amount": to_text(grant.amount)}
                self._chronicle.did(record.account.code, given.at, actor, f"{kind}.create", detail)

    def _started(
        self, stored: Versioned[AccountRecord], theirs: SubscriptionStatus, actor: str
    ) -> AccountRecord:
        """Active from when it was tried; suspended as well where the Marketplace says so."""
        record = stored.value
        pending = record.subscriptions[-1]
        active = pending.moved(SubscriptionStatus.SUBSCRIBED, pending.spells[0].start)
        if theirs is SubscriptionStatus.SUSPENDED:
            active = active.moved(theirs, self._clock.now())
        code = record.account.code
        changes = changes_between(pending, active, active.spells[0].start)
        self._chronicle.changed(code, active, changes, actor)
        record = replace(record, subscriptions=(*record.subscriptions[:-1], active))
        self._accounts.save(record, stored.etag)
        self._look_at(code)
        return record

    def _look_at(self, code: AccountCode) -> None:
        entry = AgendaEntry(hour_of(self._clock.now()), code)
        self._ledger.write(shard_of(code), [PutAgenda(entry)])

    def _cell(self, record: AccountRecord, moment: datetime) -> datetime:
        catalog = self._catalogs.current()
        zone = record.account.time_zone or (catalog.organization.time_zone if catalog else "UTC")
        return cell_of(moment, cell_minutes(zone))


def _sold(bought: MarketplaceSubscription, wanted: Wanted, now: datetime) -> Subscription:
    return Subscription(
        id=bought.id,
        offer=bought.offer,
        spells=(PlanSpell(bought.plan, now),),
        status=SubscriptionStatus.PENDING,
        name=bought.name,
        quantity=bought.quantity,
        term_start=bought.term_start,
        term_end=bought.term_end,
        term_unit=bought.term_unit,
        answers=dict(wanted.answers),
    )


def _is_of(plan: AccountPlan, ours: Subscription) -> bool:
    return plan.id == attachment_id(ours, 1)
