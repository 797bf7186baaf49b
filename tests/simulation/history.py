"""One history: a publisher's week, with everything that can go wrong in it, from one seed."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from shared.domain.errors import MeteringError
from shared.domain.ids import Shard, SubscriptionId
from shared.ports import CatalogVersion
from tests.fakes.catalogs import FakeCatalogs
from tests.fakes.findings import FakeFindings
from tests.fakes.marketplace import (
    DelayRequest,
    Fault,
    LoseAnswer,
    LoseRequest,
    PartialBatch,
    Refuse,
    Throttle,
)
from tests.fakes.messages import FakeMessages
from tests.fakes.parking import FakeParking
from tests.fakes.refusals import FakeRefusals
from tests.simulation.chaos import Chaos
from tests.simulation.oracle import Oracle
from tests.simulation.plot import MARKET_FAULTS, Plot, draw
from tests.simulation.pricing import catalog
from tests.simulation.process import Kit, Services, Stores, boot
from tests.simulation.scheduler import Hub, Instance, ProcessClock
from tests.simulation.watch import (
    Watch,
    WatchedAccounts,
    WatchedDays,
    WatchedLedger,
    WatchedLog,
    WatchedMarketplace,
    WatchedRuns,
    must,
)

HOUR = timedelta(hours=1)
SKEW = 4 * 60.0
"""Seconds by which a machine's clock may be off; the design allows 5 minutes."""

DELIVERIES = 10
"""How often Service Bus delivers a message before it is dead-lettered."""

type Call = Callable[[Services], object]
type Ended = Callable[[object, MeteringError | None], object]


@dataclass(slots=True)
class App:
    """A running instance of the app."""

    instance: Instance
    services: Services


class History:
    """The stores, the instances and the passing of time; what people do is in ``people``."""

    def __init__(
        self,
        seed: int,
        kit: Kit | None = None,
        trace: deque[str] | None = None,
        focus: Mapping[str, Any] | None = None,
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.plot: Plot = replace(draw(self.rng), **(focus or {}))
        self.kit = kit or Kit()
        self.hub = Hub(self.plot.start)
        self.counts: Counter[str] = Counter()
        self.oracle = Oracle(self.plot.offset)
        self.watch = Watch(self.hub, self.oracle, self.counts)
        self.stores = self._stores()
        self.chaos = Chaos(
            self.hub, self.rng, self.plot.rate, self.plot.weights, self.counts, trace
        )
        self.chaos.crashed = self._crashed
        self.apps: list[App] = []
        self.dark = False
        self.closing = False
        self._boots = 0
        self._doubts: Counter[object] = Counter()
        for _ in range(self.plot.instances):
            self.boot()
        for begin, end in self.plot.outages:
            self.hub.at(begin, self._outage_begins)
            self.hub.at(end, self._outage_ends)
        for begin, end in self.plot.blackouts:
            self.hub.at(begin, partial(self._lights, out=True))
            self.hub.at(end, partial(self._lights, out=False))

    def _stores(self) -> Stores:
        watch, hub = self.watch, self.hub
        marketplace = WatchedMarketplace(hub, watch)
        marketplace.decide = self._market_fault
        marketplace.old_accepted_is_duplicate = self.plot.old_accepted_is_duplicate
        marketplace.report_lag = self.plot.report_lag
        catalogs = FakeCatalogs()
        catalogs.add(CatalogVersion(1, hub.now, catalog(self.plot.tariffs, self.plot.zone)))
        return Stores(
            log=WatchedLog(watch),
            days=WatchedDays(watch),
            ledger=WatchedLedger(watch),
            accounts=WatchedAccounts(watch),
            catalogs=catalogs,
            parking=FakeParking(),
            refusals=FakeRefusals(),
            findings=FakeFindings(),
            messages=FakeMessages(),
            runs=WatchedRuns(hub),
            marketplace=marketplace,
        )

    # --- instances

    def boot(self) -> None:
        """Start an instance, unless the lights are out."""
        if self.dark:
            return
        self._boots += 1
        clock = ProcessClock(self.hub)
        clock.off = timedelta(seconds=self.rng.uniform(-SKEW, SKEW))
        instance = Instance(self.hub, f"i{self._boots}-", clock)
        self.apps.append(
            App(instance, boot(self.stores, instance, self.chaos, self.kit, self.watch))
        )

    def _crashed(self, instance: Instance) -> None:
        self.counts["crashes"] += 1
        self.apps = [app for app in self.apps if app.instance is not instance]
        if not self.dark:
            self.hub.after(self.rng.random() ** 2 * 600, self.boot)

    def _lights(self, *, out: bool) -> None:
        """All instances die at once; hours later they come back."""
        if self.closing:
            return
        self.chaos.note("lights out" if out else "lights on")
        self.dark = out
        if out:
            for app in list(self.apps):
                app.instance.kill()
                self._crashed(app.instance)
            return
        for _ in range(self.plot.instances):
            self.boot()

    def move_clocks(self) -> None:
        """Now and then a machine's clock jumps."""
        for app in self.apps:
            if self.rng.random() < 0.1:
                app.instance.clock.off = timedelta(seconds=self.rng.uniform(-SKEW, SKEW))

    def back(self) -> float:
        """Seconds until it is worth trying again while no instance is there."""
        wait = 60 + self.rng.random() * 240
        for begin, end in self.plot.blackouts:
            if begin <= self.hub.now < end:
                return wait + (end - self.hub.now).total_seconds()
        return wait

    def call(self, name: str, work: Call, ended: Ended) -> Instance | None:
        """Have some instance do ``work``; ``ended`` hears of it unless the instance dies."""
        if not self.apps:
            return None
        app = self.rng.choice(self.apps)
        self.counts[f"calls of {name}"] += 1

        def body() -> None:
            self.chaos.note(f"{app.instance.name} begins {name}")
            try:
                result = work(app.services)
            except MeteringError as exc:
                app.instance.expect_alive()
                self.chaos.note(f"{app.instance.name} {name} failed: {exc.code}: {exc}")
                self.counts[f"failed {name}"] += 1
                ended(None, exc)
                return
            app.instance.expect_alive()
            self.chaos.note(f"{app.instance.name} {name} done")
            ended(result, None)

        app.instance.start(body)
        return app.instance

    def deliver(self, name: str, work: Call, done: Callable[[], object], count: int = 1) -> None:
        """Have a queue's message handled: again after a failure, and when no end is seen in time,
        until it is done or dead."""
        rng = self.rng
        state = {"over": False}

        def again() -> None:
            if state["over"]:
                return
            state["over"] = True
            if count < DELIVERIES:
                self.deliver(name, work, done, count + 1)
            else:
                self.counts["dead letters"] += 1

        def ended(_: object, failure: MeteringError | None) -> None:
            if failure is None:
                state["over"] = True
                done()
            else:
                self.hub.after(5 + rng.random() ** 2 * 300, again)

        if self.call(name, work, ended) is None:
            self.hub.after(self.back(), partial(self.deliver, name, work, done, count))
            return
        if self.chaos.rate > 0:
            self.hub.after(300, again)

    # --- the hourly run

    def timer(self) -> None:
        """Five minutes past the hour."""
        if self.rng.random() >= self.plot.lost_runs / 3:
            self.call("start_run", lambda s: s.start_run(), lambda *_: self.take_runs())
            self.call("replay_parked", lambda s: s.replay_parked(), lambda *_: None)
        self.hub.after(1500, self.take_runs)

    def take_runs(self) -> None:
        """Deliver what was published, late, twice or not at all."""
        rng = self.rng
        for message in self.stores.messages.take("metering"):
            shard = Shard(int(message.body.split('"shard": ')[1].split(",")[0]))
            if shard not in self.plot.shards:
                continue
            if rng.random() < self.plot.lost_runs:
                self.counts["lost messages"] += 1
                continue
            copies = 1 + (rng.random() < self.plot.doubled_runs)
            self.counts["doubled messages"] += copies - 1
            for _ in range(copies):
                wait = 20 * rng.random() if rng.random() < 0.8 else 2400 * rng.random()
                self.hub.after(wait, partial(self.run_shard, shard))

    def run_shard(self, shard: Shard) -> None:
        """Handle one message of the queue ``metering``."""
        self.deliver("run_shard", lambda s: s.run_shard(shard), lambda: None)

    # --- subscriptions

    def notices(self) -> None:
        """Hand on what the Marketplace has to tell."""
        outbox = self.stores.marketplace.outbox
        while outbox:
            told = outbox.pop(0)
            if self.rng.random() < self.plot.lost_notices:
                self.counts["lost notices"] += 1
                continue
            self.follow(told.subscription, told.at)

    def follow(self, subscription: SubscriptionId, at: datetime | None) -> None:
        """Handle one message of the queue ``lifecycle``."""
        self.deliver("follow", lambda s: s.follow(subscription, at), lambda: None)

    def reconcile(self) -> None:
        """Look at every subscription that is not as the Marketplace says."""
        for id_, sold in sorted(self.stores.marketplace.sold.items()):
            code = self.stores.accounts.account_of(id_)
            record = None if code is None else self.watch.records.get(code)
            ours = None if record is None else record.subscription
            if ours is not None and ours.status is not sold.status:
                self.follow(id_, None)

    # --- the Marketplace

    def _market_fault(self, _: str) -> Fault | None:
        rng, now = self.rng, self.hub.now
        if any(begin <= now < end for begin, end in self.plot.outages):
            kind = rng.choices(MARKET_FAULTS[:3], (8, 1, 1))[0]
        elif rng.random() < self.plot.market_rate:
            kind = rng.choices(MARKET_FAULTS, [self.plot.market_weights[k] for k in MARKET_FAULTS])[
                0
            ]
        else:
            return None
        self.counts[f"marketplace: {kind}"] += 1
        self.chaos.note(f"marketplace: {kind}")
        match kind:
            case "lost request":
                return LoseRequest()
            case "lost answer":
                return LoseAnswer()
            case "delayed":
                return DelayRequest(HOUR * (rng.random() ** 4 * 30))
            case "throttled":
                return Throttle()
            case "refused":
                return Refuse(rng.choice((401, 403)))
            case _:
                return PartialBatch(rng.randrange(1, 5), applied=rng.random() < 0.5)

    def _outage_begins(self) -> None:
        self.counts["outages"] += 1
        self._doubts = Counter(self.watch.in_doubt())

    def _outage_ends(self) -> None:
        for key, count in self.watch.in_doubt().items():
            must(
                count <= self._doubts[key] + 1,
                "more than one submission of a dimension came into doubt in one outage",
                key,
                count,
            )
