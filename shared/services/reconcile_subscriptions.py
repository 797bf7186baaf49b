"""Compares every subscription with the Marketplace's list, and repairs what differs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from shared.domain.errors import MeteringError
from shared.domain.finding import Finding, FindingKind
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import Subscription, SubscriptionStatus
from shared.domain.metering.slots import MARKETPLACE_WINDOW
from shared.domain.period import HOUR
from shared.ports import Accounts, Checkpoints, Clock, Findings, Fulfillment, Operations
from shared.services.follow_subscription import FollowSubscription, Hint
from shared.services.handle_operation import HandleOperation, Task

CHECKPOINT = "subscriptions"
REPORTABLE = MARKETPLACE_WINDOW - 4 * HOUR
"""How far back an hour may lie that is still open when the last usage is sent, grace included."""

PATIENCE = HOUR
"""How long a purchase may wait for its activation before people are told."""

_KINDS = (FindingKind.NEVER_ACTIVATED, FindingKind.NOT_ADOPTED, FindingKind.UNPRICED_PLAN)

type Theirs = Mapping[SubscriptionId, MarketplaceSubscription]


@dataclass(slots=True)
class Reconciled:
    """What one reconciliation found: how many were compared, what was repaired, what failed."""

    compared: int = 0
    repaired: list[SubscriptionId] = field(default_factory=list)
    resumed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReconcileSubscriptions:
    """One list of theirs, one of ours; calls for single subscriptions only where they differ."""

    fulfillment: Fulfillment
    accounts: Accounts
    operations: Operations
    follow: FollowSubscription
    handle: HandleOperation
    findings: Findings
    checkpoints: Checkpoints
    clock: Clock

    def __call__(self) -> Reconciled:
        """Repair everything; what fails is reported and does not hold up the rest.

        Raises what listing raises: nothing was compared then.
        """
        began = self.clock.now()
        report = Reconciled()
        known_active = self._last_seen(began)
        theirs = {each.id: each for each in self.fulfillment.list_subscriptions()}
        self._resume(report, known_active)
        ours = self._ours()
        report.compared = len(theirs)
        for id_, sold in ours.items():
            if _differs(sold, theirs.get(id_)):
                self._try(report, id_, partial(self._repair, id_, known_active, report))
            if sold.status is SubscriptionStatus.SUSPENDED:
                self._try(report, id_, partial(self._answer_outstanding, id_, known_active))
        if report.repaired:
            ours = self._ours()
        report.findings += self._found(theirs, ours, began)
        report.findings += [
            Finding(FindingKind.NOT_RECONCILED, id_, reason, began)
            for id_, reason in report.failed.items()
        ]
        self._publish(report.findings)
        if not report.failed:
            self.checkpoints.note(CHECKPOINT, began)
        return report

    def _last_seen(self, now: datetime) -> datetime:
        """When everything was compared the last time. An hour further back than ``REPORTABLE``
        cannot be reported, whenever a subscription ended: a later one may."""
        earliest = now - REPORTABLE
        return max(self.checkpoints.read(CHECKPOINT) or earliest, earliest)

    def _ours(self) -> dict[SubscriptionId, Subscription]:
        return {sold.id: sold for _, sold in self.accounts.subscriptions()}

    def _repair(self, id_: SubscriptionId, known_active: datetime, report: Reconciled) -> None:
        if self.follow(id_, hint=Hint(known_active=known_active)).changed:
            report.repaired.append(id_)

    def _resume(self, report: Reconciled, known_active: datetime) -> None:
        """Operations that a crash or a lost message left undone."""
        for record in list(self.operations.unfinished()):
            report.resumed += 1
            name = record.operation.subscription
            self._try(report, name, partial(self.handle.resume, record, known_active))

    def _answer_outstanding(self, id_: SubscriptionId, known_active: datetime) -> None:
        """A reinstatement whose notice was lost waits for an answer."""
        for operation in self.fulfillment.outstanding_operations(id_):
            at = operation.at or self.clock.now()
            task = Task(id_, operation.id, at, operation.action, operation.plan)
            self.handle(task, known_active)

    def _try(self, report: Reconciled, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except MeteringError as error:
            report.failed[name] = f"{error.code}: {error}"

    def _found(
        self, theirs: Theirs, ours: Mapping[SubscriptionId, Subscription], now: datetime
    ) -> Iterable[Finding]:
        for id_, sold in theirs.items():
            known = ours.get(id_)
            waited = now - (sold.created or now)
            if sold.status is SubscriptionStatus.PENDING and waited >= PATIENCE:
                days = f"bought {waited.days} days ago" if waited.days else "bought today"
                yield Finding(
                    FindingKind.NEVER_ACTIVATED, id_, f"{sold.offer}/{sold.plan}, {days}", now
                )
            if known is None and sold.status in (
                SubscriptionStatus.SUBSCRIBED,
                SubscriptionStatus.SUSPENDED,
            ):
                yield Finding(FindingKind.NOT_ADOPTED, id_, f"{sold.offer}/{sold.plan}", now)
        for id_, known in ours.items():
            if known.unpriced and known.end is None:
                detail = f"the catalogue has no plan for {known.offer}/{known.plan}"
                yield Finding(FindingKind.UNPRICED_PLAN, id_, detail, now)

    def _publish(self, found: list[Finding]) -> None:
        """What is no longer found is no finding any more."""
        self.findings.note(found)
        current = {(each.kind, each.subject) for each in found}
        for each in list(self.findings.all()):
            mine = each.kind in (*_KINDS, FindingKind.NOT_RECONCILED)
            if mine and (each.kind, each.subject) not in current:
                self.findings.drop(each.kind, each.subject)


def _differs(ours: Subscription, theirs: MarketplaceSubscription | None) -> bool:
    """Whether ours is to be looked at; one that is missing from the list proves nothing."""
    if ours.status is SubscriptionStatus.UNSUBSCRIBED:
        return False
    if theirs is None or ours.unpriced:
        return True
    if theirs.status is SubscriptionStatus.PENDING:
        return False
    return (
        theirs.status is not ours.status
        or theirs.plan != ours.plan
        or theirs.quantity != ours.quantity
        or (theirs.term_end is not None and theirs.term_end != ours.term_end)
    )
