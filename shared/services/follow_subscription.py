"""Follows the Marketplace: makes our state of a subscription what the Marketplace says it is."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.account import AccountRecord
from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, SubscriptionId, shard_of
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import Subscription, SubscriptionStatus
from shared.domain.period import hour_of
from shared.ports import Accounts, AgendaEntry, Clock, Fulfillment, Ledger, PutAgenda

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found and done: ``before`` and ``after`` are our states, if we know it."""

    subscription: SubscriptionId
    account: AccountCode | None
    before: SubscriptionStatus | None = None
    after: SubscriptionStatus | None = None

    @property
    def changed(self) -> bool:
        """Whether our state was another one."""
        return self.before is not self.after


class FollowSubscription:
    """Handles a lifecycle message: only what the Marketplace's API says counts, so repeated,
    reordered and forged notices change nothing they should not."""

    def __init__(
        self, fulfillment: Fulfillment, accounts: Accounts, ledger: Ledger, clock: Clock
    ) -> None:
        self._fulfillment = fulfillment
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock

    def __call__(self, subscription: SubscriptionId, at: datetime | None = None) -> Followed:
        """Bring our record up to date; ``at`` is when the change happened, if it is known.

        A subscription without account is left alone: it was never activated here.
        """
        account = self._accounts.account_of(subscription)
        theirs = self._fulfillment.get(subscription)
        if account is None or theirs is None:
            return Followed(subscription, account)
        now = self._clock.now()
        moment = now if at is None else min(at, now)
        for _ in range(ATTEMPTS):
            stored = self._accounts.load(account)
            if stored is None:
                return Followed(subscription, account)
            record = _updated(stored.value, theirs, moment)
            try:
                if record != stored.value:
                    self._accounts.save(record, stored.etag)
            except ConcurrentUpdate:
                continue
            entry = AgendaEntry(hour_of(now), account)
            self._ledger.write(shard_of(account), [PutAgenda(entry)])
            return Followed(
                subscription,
                account,
                _status(stored.value, subscription),
                _status(record, subscription),
            )
        raise ConcurrentUpdate(f"account {account} keeps changing")


def _status(record: AccountRecord, id_: SubscriptionId) -> SubscriptionStatus | None:
    return next((s.status for s in record.subscriptions if s.id == id_), None)


def _updated(
    record: AccountRecord, theirs: MarketplaceSubscription, moment: datetime
) -> AccountRecord:
    """The record with the Marketplace's status."""
    subscriptions = tuple(
        _followed(ours, theirs.status, moment, tried=bool(record.plans))
        if ours.id == theirs.id and _can_follow(ours.status, theirs.status)
        else ours
        for ours in record.subscriptions
    )
    return replace(record, subscriptions=subscriptions)


def _followed(
    ours: Subscription, to: SubscriptionStatus, moment: datetime, *, tried: bool
) -> Subscription:
    """Ours in the state ``to``, reached by moves the life cycle knows.

    An activation that was tried here and has no answer began when it was tried: all usage since
    then is due, whenever its success is learnt.
    """
    if ours.status is SubscriptionStatus.PENDING:
        if tried:
            ours = ours.moved(SubscriptionStatus.SUBSCRIBED, ours.spells[0].start)
        elif to is SubscriptionStatus.SUSPENDED:
            ours = ours.moved(SubscriptionStatus.SUBSCRIBED, moment)
    return ours.moved(to, moment)


def _can_follow(ours: SubscriptionStatus, theirs: SubscriptionStatus) -> bool:
    """A cancelled subscription never comes back, and pending means the Marketplace is late."""
    return ours is not SubscriptionStatus.UNSUBSCRIBED and theirs is not SubscriptionStatus.PENDING
