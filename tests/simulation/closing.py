"""The end of a history: faults stop, everything is delivered, and the accounts must be square."""

from datetime import timedelta
from decimal import Decimal

from shared.domain.finding import FindingKind
from shared.domain.ids import Shard, shard_of
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.metering.ledger import LedgerRow
from shared.domain.metering.submission import SubmissionState
from shared.domain.money import ZERO
from shared.domain.period import day_start, hour_of
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import merged
from shared.ports import PartialKey
from tests.simulation.history import History
from tests.simulation.people import Buyer, People
from tests.simulation.process import GRACE
from tests.simulation.telling import brief
from tests.simulation.watch import FINAL, must, summary

HOUR = timedelta(hours=1)
WINDOW = 24 * HOUR
WRITES_OF_RUNS = {"days.write", "ledger.write", "accounts.put_record", "findings.note"}
ENOUGH = 3
"""Complete runs between the grace and the last moment that suffice to send what is left."""

PATIENCE = 120
"""Hours of undisturbed runs after which everything must be settled."""


def close(people: People) -> None:
    """Let the dust settle, run alone for as long as needed, and compare."""
    world = people.world
    world.chaos.note("— the end begins —")
    world.chaos.calm()
    world.stores.marketplace.decide = lambda _: None
    world.dark, world.closing = False, True
    if not world.apps:
        world.boot()
    world.hub.run_until(world.hub.now + 4 * HOUR)
    _deliver(people)
    quiet = 0
    for _ in range(PATIENCE):
        quiet = quiet + 1 if run_alone(people) and not unsettled(people) else 0
        if quiet >= 3:
            break
    check_stores(world)
    must(quiet >= 3, "not settled after days of undisturbed runs", *unsettled(people))
    check_bills(people)
    _rerun(people)


def _deliver(people: People) -> None:
    """Every buyer lands, every event is acknowledged, every subscription is followed."""
    world = people.world
    for _ in range(5):
        for buyer in people.buyers:
            sold = world.stores.marketplace.sold[buyer.subscription]
            if sold.status is SubscriptionStatus.SUSPENDED and world.rng.random() < 0.5:
                world.stores.marketplace.reinstate(buyer.subscription)
        world.stores.marketplace.outbox.clear()
        world.hub.run_until(world.hub.now + timedelta(minutes=5))
        world.reconcile()
        left = list(people.backends.waiting.values())
        for start in range(0, len(left), 20):
            people.backends.send(left[start : start + 20])
        world.hub.run_until(world.hub.now + timedelta(minutes=5))
        world.call("replay_parked", lambda s: s.replay_parked(), lambda *_: None)
        world.hub.run_until(world.hub.now + timedelta(minutes=5))
    must(not people.backends.waiting, "events are never taken", people.backends.waiting)
    for event in people.backends.kept:
        must(people.backends.stored(event) or _of_no_use(people, event), "parked, and lost", event)
    for buyer in people.buyers:
        must(buyer.active, "a purchase is never activated", buyer)
        record = world.watch.records[buyer.code].subscription
        assert record is not None
        sold = world.stores.marketplace.sold[buyer.subscription]
        must(record.status is sold.status, "a subscription is not followed", record, sold)


def _of_no_use(people: People, event: UsageEvent) -> bool:
    """Whether a parked event stays parked because it proved to be of no subscription."""
    customer = people.world.oracle.customer(event.account)
    early = customer.start is not None and event.time < customer.start
    parked = people.world.stores.parking.of_account(event.account)
    return (early or customer.end is not None) and any(p.event.id == event.id for p in parked)


def run_alone(people: People) -> bool:
    """One hour, one run of every shard, nothing beside it; whether nothing new was intended."""
    world = people.world
    world.hub.run_until(hour_of(world.hub.now) + HOUR + timedelta(minutes=5))
    before = world.counts["intents"]
    _run_shards(world)
    return world.counts["intents"] == before


def _run_shards(world: History) -> None:
    ended: list[object] = []

    def run(shard: Shard) -> None:
        world.call(
            "run_shard", lambda s: s.run_shard(shard), lambda _, failure: ended.append(failure)
        )

    for shard in world.plot.shards:
        run(shard)
        world.hub.run_until(world.hub.now + timedelta(seconds=10))
    must(ended == [None] * len(world.plot.shards), "an undisturbed run failed", ended)


def unsettled(people: People) -> list[object]:
    """Submissions that are not final, and dimensions whose money is not where it should be."""
    watch = people.world.watch
    found: list[object] = [s for s in watch.submissions.values() if s.state not in FINAL]
    found += [b for b in people.buyers if not _square(people.world, b)]
    return found


def _row(world: History, buyer: Buyer) -> LedgerRow | None:
    return next((r for r in world.watch.rows.values() if r.account == buyer.code), None)


def _square(world: History, buyer: Buyer) -> bool:
    """Whether the customer was charged what is due, or the difference is flagged."""
    now = world.hub.now
    customer = world.oracle.customer(buyer.code)
    due = world.oracle.due(customer, now)
    row = _row(world, buyer)
    if row is None:
        return not due
    kept = world.watch.billed[row.key.resource, row.key.dimension] - row.refunded
    if row.rated != due or row.committed != kept:
        return False
    if kept == due:
        return True
    if kept > due:
        return kept <= customer.highest + world.watch.absorbed[row.key]
    subscription = world.watch.records[buyer.code].subscription
    assert subscription is not None
    if subscription.status is SubscriptionStatus.SUSPENDED:
        return True
    return row.written_off == due - kept


def check_bills(people: People) -> None:
    """Whatever was not billed is flagged, and for a reason."""
    world = people.world
    findings = {f.subject for f in world.stores.findings.all() if f.kind is FindingKind.WRITTEN_OFF}
    for buyer in people.buyers:
        row = _row(world, buyer)
        customer = world.oracle.customer(buyer.code)
        must(_square(world, buyer), "the bill is not square", row, customer)
        if row is None:
            continue
        world.counts["units billed"] += int(row.committed)
        if row.written_off:
            world.counts["units written off"] += int(row.written_off)
            subject = f"{row.account} {row.key.dimension}"
            must(subject in findings, "a loss was not reported", brief(row))
            lost_anew = row.written_off > row.refunded
            must(
                not lost_anew or _excused(world, buyer), "units were lost without need", brief(row)
            )


def _excused(world: History, buyer: Buyer) -> bool:
    """Whether something kept the remainder from being sent in the day after the end: an outage, a
    late event, a doubt that was settled too late, no run that came to its end, or an end that was
    learnt late: then the hours between the true end and the known one are refused, each until it
    expires."""
    customer = world.oracle.customer(buyer.code)
    end, truly = customer.end, world.stores.marketplace.sold[buyer.subscription].ended
    assert end is not None
    assert truly is not None
    spans = [*world.plot.outages, *world.plot.blackouts]
    troubled = any(first < end + WINDOW and end - HOUR < last for first, last in spans)
    late = customer.last_stored is not None and customer.last_stored > end + GRACE
    settled = any(
        s.state is SubmissionState.SETTLED and s.account == buyer.code
        for s in world.watch.submissions.values()
    )
    learnt_late = hour_of(end) > hour_of(truly)
    runs = world.stores.runs.ends[shard_of(buyer.code)]
    completed = sum(end + GRACE < ended < end + WINDOW - HOUR for ended in runs)
    return troubled or late or settled or learnt_late or completed < ENOUGH


def check_stores(world: History) -> None:
    """All that was checked step by step, once more and from the stores themselves."""
    log, watch = world.stores.log, world.watch
    events: dict[PartialKey, tuple[int, Decimal]] = {}
    for row in log.stored_events():
        time = row.event.time
        minute = time.minute - time.minute % world.oracle.minutes
        key = PartialKey(
            row.account, time.replace(minute=minute, second=0, microsecond=0), row.event.meter
        )
        count, total = events.get(key, (0, ZERO))
        value = row.event.data["n"]
        assert isinstance(value, Decimal)
        events[key] = (count + 1, total + value)
    must(events == watch.cells, "the log's events are not those that were stored")
    partials: dict[PartialKey, tuple[int, Decimal]] = {}
    for day in log.days():
        first = day_start(day)
        for account in world.oracle.customers:
            found = log.partials(day, shard_of(account), account, first, first + WINDOW)
            partials |= {key: summary(merged(several)) for key, several in found.items()}
    must(partials == events, "partials are not the sum of their events")


def _rerun(people: People) -> None:
    """A run with no news calls nobody and writes nothing but its note of completion."""
    world = people.world
    world.chaos.journal = []
    _run_shards(world)
    journal, world.chaos.journal = world.chaos.journal, None
    news = [name for name in journal if name in WRITES_OF_RUNS or name.startswith("marketplace.")]
    must(not news, "a rerun without news did something", *news)
