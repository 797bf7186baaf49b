"""What happens to the publisher: buyers, backends that report usage, and Microsoft."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from shared.domain.catalog.plan import USAGE_FEE
from shared.domain.errors import MeteringError
from shared.domain.ids import AccountCode, Resource, SubscriptionId
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.metering.ledger import LedgerKey
from shared.domain.metering.submission import Submission
from shared.domain.usage.event import Outcome, UsageEvent
from shared.services.ingest_usage import EventResult
from shared.services.refund import RefundOrder
from shared.services.take_message import Item
from tests.simulation.history import History
from tests.simulation.pricing import JOBS, TOKENS
from tests.simulation.watch import must

HOUR = timedelta(hours=1)
PATIENCE = 240.0
"""Seconds after which a client that has no answer sends again."""


@dataclass(slots=True, eq=False)
class Buyer:
    """A customer: a subscription and the account it becomes."""

    subscription: SubscriptionId
    code: AccountCode
    bought: datetime
    active: bool = False
    ended: datetime | None = None
    busy: bool = False


@dataclass(slots=True)
class Backends:
    """Products that report usage: each event again and again until it is acknowledged."""

    world: History
    waiting: dict[str, UsageEvent] = field(default_factory=dict)
    kept: list[UsageEvent] = field(default_factory=list)
    """Events that were parked when they were acknowledged."""
    _number: int = 0

    def event(self, code: AccountCode, time: datetime) -> UsageEvent:
        """A new event."""
        rng = self.world.rng
        self._number += 1
        meter = JOBS if rng.random() < 0.3 else TOKENS
        data = {"n": Decimal(1 + int(rng.random() ** 3 * 30))}
        return UsageEvent(f"e{self._number}", code, meter, time, data)

    def report(self, codes: Sequence[AccountCode]) -> None:
        """Report a handful of new events of some accounts."""
        rng, now = self.world.rng, self.world.hub.now
        events: list[UsageEvent] = []
        for code in codes:
            for _ in range(1 + int(rng.random() ** 3 * 5)):
                draw, back = rng.random(), rng.random() * 600
                if draw < self.world.plot.late:
                    back = 3600 * rng.choice((3, 30, 60, 120, 900)) * rng.random()
                elif draw > 0.98:
                    back = -rng.random() * 240
                events.append(self.event(code, now - timedelta(seconds=int(back * 1000) / 1000)))
        for event in events:
            self.waiting[event.id] = event
        self.send(events)

    def send(self, events: Sequence[UsageEvent]) -> None:
        """Send events over HTTP or by the queue; what stays unanswered is sent again."""
        world, rng = self.world, self.world.rng
        if rng.random() < 0.3:
            items = [Item(event, event.id) for event in events]
            world.deliver(
                "take_message", lambda s: s.take_message(items), partial(self._taken, events)
            )
            return
        ended = partial(self._answered, events)
        if world.call("ingest", lambda s: s.ingest(events), ended) is None:
            world.hub.after(world.back(), partial(self._resend, events))
        elif world.chaos.rate > 0:
            world.hub.after(PATIENCE, partial(self._resend, events))

    def _again(self, events: Sequence[UsageEvent]) -> None:
        rng = self.world.rng
        self.world.hub.after(5 + rng.random() ** 4 * 2 * 3600, partial(self._resend, events))

    def _resend(self, events: Sequence[UsageEvent]) -> None:
        """The same events, in another order and perhaps in other company."""
        left = [event for event in events if event.id in self.waiting]
        if not left:
            return
        rng = self.world.rng
        self.world.counts["resent events"] += len(left)
        rng.shuffle(left)
        if len(left) > 1 and rng.random() < 0.3:
            cut = rng.randrange(1, len(left))
            self.send(left[:cut])
            left = left[cut:]
        self.send(left)

    def _answered(
        self, events: Sequence[UsageEvent], results: object, failure: MeteringError | None
    ) -> None:
        if failure is not None:
            self._again(events)
            return
        assert isinstance(results, list)
        for event, result in zip(events, results, strict=True):
            assert isinstance(result, EventResult)
            self._acknowledged(event, result)
        rng = self.world.rng
        if rng.random() < self.world.plot.duplicates:
            self.world.counts["needless duplicates"] += len(events)
            self.world.hub.after(rng.random() ** 3 * 30 * 3600, partial(self.repeat, events))

    def repeat(self, events: Sequence[UsageEvent]) -> None:
        """Send once more what was acknowledged, sometimes with another payload."""
        repeated = [
            UsageEvent(e.id, e.account, e.meter, e.time, {"n": e.data["n"] + Decimal(1)})  # type: ignore[operator]  # the data are numbers
            if self.world.rng.random() < 0.2 and self.stored(e)
            else e
            for e in events
        ]
        self.world.call("ingest", lambda s: s.ingest(repeated), lambda *_: None)

    def stored(self, event: UsageEvent) -> bool:
        """Whether the usage log has the event."""
        return (event.account, event.key, event.day) in self.world.watch.events

    def _acknowledged(self, event: UsageEvent, result: EventResult) -> None:
        match result.outcome:
            case Outcome.ACCEPTED | Outcome.DUPLICATE:
                self.world.watch.acknowledged(event)
                self.world.counts[result.outcome] += 1
            case Outcome.PARKED:
                self._kept(event)
                self.world.counts["parked"] += 1
            case Outcome.INVALID:
                pointers = [error.pointer for error in result.errors]
                must(pointers == ["/time"], "an event was refused", event, result)
                if "future" in result.errors[0].message:
                    self._again([event])
                    return
                self.world.counts["refused"] += 1
        self.waiting.pop(event.id, None)

    def _kept(self, event: UsageEvent) -> None:
        """A parked event is kept, or has become usage since."""
        parked = any(
            p.event.id == event.id for p in self.world.stores.parking.of_account(event.account)
        )
        must(parked or self.stored(event), "a parked event is lost", event)
        self.kept.append(event)

    def _taken(self, events: Sequence[UsageEvent]) -> None:
        """A message is completed: everything in it is stored, parked, or kept as refused."""
        refused = {item.body for item in self.world.stores.refusals.all()}
        for event in events:
            if self.waiting.pop(event.id, None) is None:
                continue
            if self.stored(event):
                self.world.watch.acknowledged(event)
            elif event.id not in refused:
                self._kept(event)


class People:
    """Schedules a history's outside world, hour by hour."""

    def __init__(self, world: History) -> None:
        self.world = world
        self.backends = Backends(world)
        self.buyers: list[Buyer] = []
        self._refunds = 0
        plot, rng = world.plot, world.rng
        for number in range(plot.customers):
            early = number < plot.customers * 0.7
            wait = 0.0 if early else rng.random() * plot.hours * 0.6
            world.hub.at(plot.start + HOUR * wait, self.buy)

    @property
    def account_hours(self) -> int:
        """Hours in which each account was there, until now."""
        return sum(int((self.world.hub.now - buyer.bought) / HOUR) for buyer in self.buyers)

    # --- customers

    def buy(self) -> None:
        """A purchase; usage may come before the landing page has been seen."""
        world, rng = self.world, self.world.rng
        plan = rng.choice(("standard", "scale"))
        subscription, token = world.stores.marketplace.sell(plan, world.plot.shards)
        buyer = Buyer(subscription, AccountCode(subscription), world.hub.now)
        self.buyers.append(buyer)
        world.hub.after(rng.random() ** 2 * 1800, partial(self._land, buyer, token))
        if rng.random() < 0.3:
            self.backends.report([buyer.code])

    def _land(self, buyer: Buyer, token: str) -> None:
        """The landing page, again until it says that all is well."""
        world, rng = self.world, self.world.rng
        if buyer.active:
            return

        def ended(_: object, failure: MeteringError | None) -> None:
            if failure is None:
                buyer.active = True

        world.call("activate", lambda s: s.activate(token), ended)
        fresh = world.stores.marketplace.token(buyer.subscription)
        world.hub.after(60 + rng.random() ** 3 * 3600, partial(self._land, buyer, fresh))

    # --- hours

    def hour(self) -> None:
        """Plan what happens in the hour that begins."""
        world, rng = self.world, self.world.rng
        hub = world.hub
        hub.after(300 + rng.uniform(-120, 120), world.timer)
        world.move_clocks()
        count = world.plot.requests_an_hour
        for _ in range(int(count) + (rng.random() < count % 1)):
            hub.after(rng.random() * 3600, self._report)
        for buyer in self.buyers:
            if rng.random() < world.plot.moves:
                hub.after(rng.random() * 3600, partial(self._move, buyer))
            if rng.random() < world.plot.foreign:
                hub.after(rng.random() * 3600, partial(self._report_beside, buyer))
        if rng.random() < 0.5:
            hub.after(rng.random() * 3600, world.reconcile)
        if hub.now.hour == 3 and world.plot.daily:
            hub.after(1200, lambda: world.call("daily", lambda s: s.daily(), lambda *_: None))

    def _report(self) -> None:
        rng = self.world.rng
        now = self.world.hub.now
        known = [
            b
            for b in self.buyers
            if (b.active or rng.random() < 0.05)
            and (b.ended is None or now - b.ended < rng.random() * 30 * HOUR)
        ]
        if known:
            chosen = rng.sample(known, min(len(known), rng.randrange(1, 6)))
            self.backends.report([buyer.code for buyer in chosen])

    def _move(self, buyer: Buyer) -> None:
        """The customer or Microsoft changes something."""
        world, rng = self.world, self.world.rng
        marketplace = world.stores.marketplace
        status = marketplace.sold[buyer.subscription].status
        draw = rng.random()
        if draw < 0.3:
            self._refund(buyer)
        elif status is SubscriptionStatus.SUSPENDED:
            marketplace.reinstate(buyer.subscription)
            world.hub.after(15, world.notices)
        elif status is SubscriptionStatus.SUBSCRIBED and draw < 0.6:
            marketplace.suspend(buyer.subscription)
            world.counts["suspensions"] += 1
            world.hub.after(rng.random() * 30 * 3600, partial(self._reinstate, buyer))
        elif status is not SubscriptionStatus.UNSUBSCRIBED and buyer.active:
            marketplace.unsubscribe(buyer.subscription)
            world.counts["cancellations"] += 1
            buyer.ended = world.hub.now
        world.hub.after(rng.random() ** 2 * 600, world.notices)

    def _report_beside(self, buyer: Buyer) -> None:
        """A script of the publisher reports something for the hour that ours will take next."""
        world = self.world
        record = world.watch.records.get(buyer.code)
        if record is None or record.subscription is None or record.subscription.start is None:
            return
        hour = world.hub.now.replace(minute=0, second=0, microsecond=0)
        start = max(hour, record.subscription.start)
        key = LedgerKey(Resource(buyer.subscription), USAGE_FEE)
        units = Decimal(world.rng.randrange(1, 9))
        plan = record.subscription.plan
        if world.stores.marketplace.take(Submission(key, buyer.code, hour, start, plan, units)):
            world.counts["reports by others"] += 1

    def _reinstate(self, buyer: Buyer) -> None:
        marketplace = self.world.stores.marketplace
        if marketplace.sold[buyer.subscription].status is SubscriptionStatus.SUSPENDED:
            marketplace.reinstate(buyer.subscription)
            self.world.counts["reinstatements"] += 1
            self.world.hub.after(15, self.world.notices)

    def _refund(self, buyer: Buyer) -> None:
        """Microsoft gives something back; the publisher records it until that has worked."""
        world = self.world
        key = LedgerKey(Resource(buyer.subscription), USAGE_FEE)
        paid = world.watch.billed[key.resource, key.dimension] - world.watch.refunded[key]
        if paid < 1:
            return
        self._refunds += 1
        units = Decimal(world.rng.randrange(1, min(int(paid), 40) + 1))
        order = RefundOrder(f"r{self._refunds}", buyer.code, USAGE_FEE, units, charge_again=True)
        world.counts["refunds"] += 1
        world.deliver("refund", lambda s: s.refund(order, "somebody"), lambda: None)
