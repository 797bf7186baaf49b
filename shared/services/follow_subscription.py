"""Follows the Marketplace: makes our state of a subscription what the Marketplace says it is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.account import AccountRecord
from shared.domain.audit import MARKETPLACE
from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, PlanCode, SubscriptionId, shard_of
from shared.domain.lifecycle.follow import (
    Observed,
    changes_between,
    followed,
    subscription_of,
)
from shared.domain.lifecycle.operation import Action
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.period import cell_minutes, hour_of
from shared.ports import Accounts, AgendaEntry, Clock, Fulfillment, Ledger, PutAgenda
from shared.services.chronicle import Chronicle
from shared.services.directory import CatalogCache

ATTEMPTS = 5
SETTLING = timedelta(minutes=1)
"""An operation bears the time at which it was asked for; a subscription ends a little later, and
usage of that while is still taken."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found and done: ``before`` and ``after`` are our states, if we know it."""

    subscription: SubscriptionId
    account: AccountCode | None
    before: SubscriptionStatus | None = None
    after: SubscriptionStatus | None = None
    changes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything of ours was another."""
        return bool(self.changes)


@dataclass(frozen=True, slots=True)
class Hint:
    """What is known about when something happened: ``at`` is the time of ``action``, or of
    whatever changed when that is empty. ``known_active`` is the last moment at which the
    Marketplace was seen to have the subscription."""

    at: datetime | None = None
    action: str = ""
    plan: str = ""
    known_active: datetime | None = None

    @property
    def last_active(self) -> datetime | None:
        """The last moment that is known: who asked for an action had a subscription then."""
        asked = self.at if self.action else None
        return max(filter(None, (self.known_active, asked)), default=None)


class FollowSubscription:
    """Handles a lifecycle message: only what the Marketplace's API says counts, so repeated,
    reordered and forged notices change nothing they should not."""

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

    def __call__(
        self, subscription: SubscriptionId, at: datetime | None = None, hint: Hint | None = None
    ) -> Followed:
        """Bring our record up to date; ``at`` is when the change happened, if it is known.

        A subscription without account is left alone: it was never activated here. Ours is read
        before theirs, each time anew: what somebody else learnt later is never replaced by what
        was learnt before.
        """
        account = self._accounts.account_of(subscription)
        if account is None:
            return Followed(subscription, account)
        hint = hint or Hint(at)
        for _ in range(ATTEMPTS):
            stored = self._accounts.load(account)
            theirs = None if stored is None else self._fulfillment.get(subscription)
            if stored is None or theirs is None:
                return Followed(subscription, account)
            now = self._clock.now()
            record = followed(stored.value, self._observed(stored.value, theirs, now, hint))
            result = self._noted(stored.value, record, subscription, hint.at or now)
            try:
                if record != stored.value:
                    self._accounts.save(record, stored.etag)
            except ConcurrentUpdate:
                continue
            entry = AgendaEntry(hour_of(now), account)
            self._ledger.write(shard_of(account), [PutAgenda(entry)])
            return result
        raise ConcurrentUpdate(f"account {account} keeps changing")

    def _observed(
        self, record: AccountRecord, theirs: MarketplaceSubscription, now: datetime, hint: Hint
    ) -> Observed:
        any_action = not hint.action
        ended, known_active = (hint.at if any_action else None), hint.last_active
        if hint.action == Action.UNSUBSCRIBE and hint.at is not None:
            ended, known_active = hint.at + SETTLING, hint.at
        replanned = any_action or (
            hint.action == Action.CHANGE_PLAN and hint.plan in ("", theirs.plan)
        )
        catalog = self._catalogs.current()
        plan = catalog.plan_for(theirs.offer, theirs.plan) if catalog else None
        zone = record.account.time_zone or (catalog.organization.time_zone if catalog else "UTC")
        return Observed(
            theirs,
            now,
            None if plan is None else PlanCode(plan.code),
            cell_minutes(zone),
            ended=ended,
            replanned=hint.at if replanned else None,
            known_active=known_active,
            beside=catalog.plans_beside(plan.product) if catalog and plan else frozenset(),
        )

    def _noted(
        self, before: AccountRecord, after: AccountRecord, id_: SubscriptionId, at: datetime
    ) -> Followed:
        """Audit and forward what is about to change."""
        old, new = subscription_of(before, id_), subscription_of(after, id_)
        code = after.account.code
        if old is None or new is None:
            return Followed(id_, code)
        changes = changes_between(old, new, at)
        self._chronicle.changed(code, new, changes, MARKETPLACE)
        names = tuple(change.what for change in changes)
        return Followed(id_, code, old.status, new.status, names)
