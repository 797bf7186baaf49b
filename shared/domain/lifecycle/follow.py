"""Following the Marketplace: an account as it is once it agrees with what the Marketplace says."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.account import AccountPlan, AccountRecord
from shared.domain.ids import PlanCode, SubscriptionId
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import Subscription, SubscriptionStatus
from shared.domain.period import boundary_after

PENDING = SubscriptionStatus.PENDING
SUBSCRIBED = SubscriptionStatus.SUBSCRIBED
SUSPENDED = SubscriptionStatus.SUSPENDED
UNSUBSCRIBED = SubscriptionStatus.UNSUBSCRIBED


@dataclass(frozen=True, slots=True)
class Observed:
    """What the Marketplace says of a subscription, and what we know about when it became so.

    ``ended`` and ``replanned`` are when the end and the change of plan happened; ``None``: not
    told, so it counts as ``now``. ``known_active`` is the last moment at which the Marketplace
    certainly had it active, where the end is not known to the moment. ``price_list`` is our plan
    for theirs, ``None`` when the catalogue has none; ``beside`` are the plans of other products.
    ``cell`` is the length in minutes of the account's cells.
    """

    theirs: MarketplaceSubscription
    now: datetime
    price_list: PlanCode | None
    cell: int
    ended: datetime | None = None
    replanned: datetime | None = None
    known_active: datetime | None = None
    beside: frozenset[PlanCode] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that became another, as text."""

    what: str
    before: str
    after: str
    at: datetime


def followed(record: AccountRecord, seen: Observed) -> AccountRecord:
    """The account with the status, plan, quantity and term that the Marketplace says.

    A subscription that ended never comes back, and theirs being pending means that ours is
    ahead of an answer: both are left as they are.
    """
    ours = subscription_of(record, seen.theirs.id)
    if ours is None or ours.status is UNSUBSCRIBED or seen.theirs.status is PENDING:
        return record
    after = _replanned(_moved(_described(ours, seen.theirs), seen, _tried(record, ours)), seen)
    plans = record.plans
    if (after.plan != ours.plan or ours.unpriced) and after.end is None and _tried(record, ours):
        after, plans = _repriced(after, record, seen)
    subscriptions = tuple(after if each.id == after.id else each for each in record.subscriptions)
    return replace(record, subscriptions=subscriptions, plans=plans)


def changes_between(
    before: Subscription | None, after: Subscription, at: datetime
) -> tuple[Change, ...]:
    """What differs, and since when: ``at`` for what has no moment of its own."""
    pairs = (
        ("status", before and before.status, after.status, after.end or at),
        ("plan", before and before.plan, after.plan, after.spells[-1].start),
        ("quantity", before and before.quantity, after.quantity, at),
        ("termEnd", before and before.term_end, after.term_end, at),
        ("unpriced", before.unpriced if before else False, after.unpriced, at),
    )
    return tuple(
        Change(what, _text(old), _text(new), since) for what, old, new, since in pairs if old != new
    )


def subscription_of(record: AccountRecord, id_: SubscriptionId) -> Subscription | None:
    """The account's subscription of that id."""
    return next((each for each in record.subscriptions if each.id == id_), None)


def add_ons(record: AccountRecord, beside: Collection[PlanCode]) -> tuple[AccountPlan, ...]:
    """Plans that no purchase and no change of plan replaces: those of ``beside``, which are of
    other products, that were attached by API."""
    own = {subscription.id for subscription in record.subscriptions}
    return tuple(
        plan
        for plan in record.plans
        if plan.plan in beside and plan.id.rpartition(".")[0] not in own
    )


def replaced(
    plans: Iterable[AccountPlan], by: AccountPlan, kept: Iterable[AccountPlan]
) -> tuple[AccountPlan, ...]:
    """``plans`` over when the one that replaces them begins, in the order of time with it and
    with those that are ``kept``."""
    ended = (
        replace(plan, end=by.start) if plan.end is None or plan.end > by.start else plan
        for plan in plans
    )
    lasting = (plan for plan in ended if plan.end is None or plan.start < plan.end)
    return tuple(sorted((*lasting, by, *kept), key=lambda plan: plan.start))


def attachment_id(subscription: Subscription, number: int) -> str:
    """The name of the plan attached for a subscription's ``number``-th price list."""
    return f"{subscription.id}.{number}"


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)


def _tried(record: AccountRecord, ours: Subscription) -> bool:
    """Whether an activation was tried here: a plan is attached for it just before."""
    return any(plan.id.startswith(f"{ours.id}.") for plan in record.plans)


def _described(ours: Subscription, theirs: MarketplaceSubscription) -> Subscription:
    """Quantity and term as they say; what they leave out stays (term dates can be missing)."""
    start, unit = theirs.term_start, theirs.term_unit
    return replace(
        ours,
        quantity=theirs.quantity,
        terms=ours.terms if start is None else ours.in_term(start, unit),
        term_start=theirs.term_start or ours.term_start,
        term_end=theirs.term_end or ours.term_end,
        term_unit=theirs.term_unit or ours.term_unit,
    )


def _moved(ours: Subscription, seen: Observed, tried: bool) -> Subscription:
    """Ours in their state, reached by moves the life cycle knows.

    An activation that was tried here and has no answer began when it was tried: all usage since
    then is due, whenever its success is learnt.
    """
    to = seen.theirs.status
    moment = min(seen.ended or seen.now, seen.now)
    if ours.status is PENDING:
        if tried:
            ours = ours.moved(SUBSCRIBED, ours.spells[0].start)
        elif to is SUSPENDED:
            ours = ours.moved(SUBSCRIBED, moment)
    if ours.start is not None and to is UNSUBSCRIBED:
        moment = max(moment, ours.start)
    after = ours.moved(to, moment)
    if to is UNSUBSCRIBED and seen.known_active and after.start:
        known = max(after.start, seen.known_active)
        after = replace(after, known_active=min(known, moment))
    return after


def _replanned(ours: Subscription, seen: Observed) -> Subscription:
    moment = min(seen.replanned or seen.now, ours.end or seen.now, seen.now)
    return ours.on_plan(seen.theirs.plan, moment)


def _repriced(
    ours: Subscription, record: AccountRecord, seen: Observed
) -> tuple[Subscription, tuple[AccountPlan, ...]]:
    """The price list of the plan in force, from the next cell boundary on.

    The hour of the change belongs to the old plan, as the Marketplace's plan of that hour does
    (``plan_at``). Without a price list the old one goes on, and the subscription says so.
    """
    if seen.price_list is None:
        return replace(ours, unpriced=True), record.plans
    since = seen.now if ours.unpriced else ours.spells[-1].start
    ours = replace(ours, unpriced=False)
    kept = add_ons(record, seen.beside)
    plans = tuple(plan for plan in record.plans if plan not in kept)
    last = plans[-1]
    if last.end is None and last.plan == seen.price_list:
        return ours, record.plans
    start = max(boundary_after(since, seen.cell), last.start)
    number = 1 + max((_number(plan, ours) for plan in plans if plan.start < start), default=0)
    attached = AccountPlan(attachment_id(ours, number), seen.price_list, start)
    return ours, replaced(plans, attached, kept)


def _number(plan: AccountPlan, ours: Subscription) -> int:
    own, _, number = plan.id.rpartition(".")
    return int(number) if own == ours.id and number.isdecimal() else 0
