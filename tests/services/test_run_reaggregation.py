"""Aggregating again as a job: told of, carried on after a crash, done once."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.account import Account, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, DerivedField, FieldCategory, Meter
from shared.domain.errors import InvalidInput, NotFound, Unavailable
from shared.domain.ids import (
    AccountCode,
    AggregationCode,
    FieldCode,
    Shard,
    all_shards,
    shard_of,
)
from shared.domain.period import DAY, HOUR
from shared.domain.usage.aggregate import AggregationType
from shared.ports import DropAgenda
from shared.services.catalog import Intent
from shared.services.directory import LIFE
from shared.services.run_reaggregation import (
    NOTED_EVERY,
    SILENT,
    SUBJECT,
    TURN,
    JobStatus,
    ReaggregationOrder,
)
from tests.services.taps import Call
from tests.services.world import CATALOG, START, TOKENS, World

EARLIER = START - 5 * HOUR
ALL = ReaggregationOrder()


def doubled() -> Catalog:
    """Tokens with a derived field that nothing stored has."""
    fields = (DataField(FieldCode("n"), FieldCategory.MEASURE),)
    derived = (DerivedField(FieldCode("double"), "n * 2"),)
    used = Aggregation(AggregationCode("d"), TOKENS, AggregationType.SUM, FieldCode("double"))
    meter = Meter(TOKENS, fields, derived_fields=derived)
    return replace(CATALOG, meters=(meter,), aggregations=(*CATALOG.aggregations, used))


def used(world: World, *codes: str) -> None:
    """Accounts with usage that was folded before the derived field came."""
    for code in codes:
        world.account(code)
        world.use(code, 5, EARLIER)
        world.process.fold(shard_of(AccountCode(code)), AccountCode(code), [EARLIER], None)


def lack(world: World) -> JobStatus:
    """The version that needs the derived field, and the job that it begins."""
    change = world.process.put_catalog(doubled(), Intent("ada", EARLIER))
    assert change.job is not None
    return world.process.run_reaggregation.status(change.job)


def orders(world: World) -> list[Mapping[str, object]]:
    return [json.loads(message.body) for message in world.messages.take("metering")]


def work(world: World) -> None:
    """Every message that waits, and those that come of them."""
    while found := orders(world):
        for order in found:
            world.process.run_reaggregation.take(order)


def forget_agenda(world: World) -> None:
    """What a version enters by itself is not what these tests look for."""
    for shard in all_shards():
        entries = world.ledger.agenda(shard, START + DAY)
        if entries:
            world.ledger.write(shard, [DropAgenda(entry) for entry in entries])


def sums(world: World, code: str) -> Decimal:
    """The derived field of an account as it is folded."""
    account = AccountCode(code)
    rows = world.days.read(shard_of(account), account, EARLIER.date(), START.date())
    cells = [cell for row in rows.values() for cell in row.value.cells.values()]
    return sum((c.fields["double"].total for c in cells if "double" in c.fields), Decimal(0))


def test_a_version_that_lacks_usage_begins_a_job_that_makes_it() -> None:
    world = World()
    used(world, "a", "b", "c")
    before = lack(world)
    assert (before.finished, len(before.parts)) == (None, 16)
    assert sums(world, "a") == 0
    work(world)
    after = world.process.run_reaggregation.status(before.job.id)
    assert after.finished == world.clock.now()
    assert sum(part.done for part in after.parts) == 3
    assert [sum(p.changed for p in after.parts), sum(p.days for p in after.parts)] == [3, 3]
    assert [sums(world, code) for code in "abc"] == [10, 10, 10]


def test_what_was_made_again_is_rated() -> None:
    world = World()
    used(world, "a")
    lack(world)
    forget_agenda(world)
    work(world)
    found = [e.value.account for s in all_shards() for e in world.ledger.agenda(s, START + DAY)]
    assert found == ["a"]


def test_a_second_job_finds_nothing_to_do() -> None:
    world = World()
    used(world, "a")
    lack(world)
    work(world)
    world.clock.advance(LIFE)
    job = world.process.run_reaggregation.start(ALL, "ada").job
    work(world)
    after = world.process.run_reaggregation.status(job.id)
    assert after.finished is not None
    assert sum(part.days for part in after.parts) == 0


def test_a_job_of_some_accounts_leaves_the_others_alone() -> None:
    world = World()
    used(world, "a", "b")
    lack(world)
    orders(world)
    world.clock.advance(LIFE)
    order = ReaggregationOrder(accounts=(AccountCode("b"),))
    status = world.process.run_reaggregation.start(order, "ada")
    assert [part.shard for part in status.parts] == [shard_of(AccountCode("b"))]
    work(world)
    assert [sums(world, code) for code in "ab"] == [0, 10]
    (entry,) = [e for e in world.trail.of("b") if e.action == "reaggregation.start"]
    assert (entry.actor, entry.detail["job"]) == ("ada", status.job.id)


def test_the_trail_tells_who_began_it() -> None:
    world = World()
    job = world.process.run_reaggregation.start(ALL, "ada").job
    (entry,) = world.trail.of(SUBJECT)
    assert (entry.actor, entry.action, entry.detail["job"]) == (
        "ada", "reaggregation.start", job.id,
    )  # fmt: skip


def crash(_: Call) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        pytest.param("days.read", 1, id="at the first account"),
        pytest.param("days.write", 2, id="in the middle"),
        pytest.param("ledger.write", 2, id="between writing and entering"),
        pytest.param("reaggregations.note", 1, id="before the last note"),
    ],
)
def test_it_goes_on_after_a_crash(call: str, nth: int) -> None:
    world = World()
    codes = [c for n in range(60) if shard_of(AccountCode(c := f"c{n}")) == 3][:3]
    used(world, *codes)
    job = lack(world).job
    message = next(order for order in orders(world) if order["shard"] == 3)
    forget_agenda(world)
    world.journal.before(call, crash, nth)
    with pytest.raises(KeyboardInterrupt):
        world.process.run_reaggregation.take(message)
    world.process = world.boot()
    world.process.run_reaggregation.take(message)
    (part,) = [p.value for p in world.reaggregations.parts(job.id) if p.value.shard == 3]
    assert (part.finished, part.done) == (world.clock.now(), 3)
    assert [sums(world, code) for code in codes] == [10, 10, 10]
    entered = [e.value.account for e in world.ledger.agenda(Shard(3), START + DAY)]
    assert entered == codes


def test_a_message_that_was_lost_is_sent_again() -> None:
    world = World()
    used(world, "a")
    job = lack(world).job
    assert len(orders(world)) == 16
    resume = world.process.run_reaggregation.resume
    assert resume() == 0
    world.clock.advance(SILENT)
    assert resume() == 16
    work(world)
    assert world.process.run_reaggregation.status(job.id).finished is not None
    world.clock.advance(SILENT)
    assert resume() == 0


def test_a_message_that_could_not_be_sent_is_sent_later() -> None:
    world = World()

    def lost(_: Call) -> None:
        raise Unavailable("no answer")

    world.journal.before("messages.publish", lost)
    with pytest.raises(Unavailable):
        world.process.run_reaggregation.start(ALL, "ada")
    world.clock.advance(SILENT)
    assert world.process.run_reaggregation.resume() == 16


def test_a_long_part_lets_others_have_their_turn() -> None:
    world = World()
    codes = [c for n in range(60) if shard_of(AccountCode(c := f"c{n}")) == 3][:3]
    used(world, *codes)
    job = lack(world).job
    first = next(order for order in orders(world) if order["shard"] == 3)
    world.journal.after("days.write", lambda _: world.clock.advance(TURN))
    world.process.run_reaggregation.take(first)
    (part,) = [p.value for p in world.reaggregations.parts(job.id) if p.value.shard == 3]
    assert (part.done, part.after, part.finished) == (1, codes[0], None)
    (second,) = orders(world)
    assert second == first
    world.process.run_reaggregation.take(second)
    (part,) = [p.value for p in world.reaggregations.parts(job.id) if p.value.shard == 3]
    assert part.done == 3
    assert part.finished is not None


def test_one_that_was_overtaken_stops_and_says_nothing() -> None:
    world = World()
    used(world, "a")
    job = lack(world).job
    shard = shard_of(AccountCode("a"))
    message = next(order for order in orders(world) if order["shard"] == shard)
    other = world.boot()
    world.journal.before("days.write", lambda _: other.run_reaggregation.take(message))
    world.process.run_reaggregation.take(message)
    (part,) = [p.value for p in world.reaggregations.parts(job.id) if p.value.shard == shard]
    assert (part.done, part.changed) == (1, 1)
    assert world.process.run_reaggregation.take(message) is None
    assert sums(world, "a") == 10


def test_an_account_that_fails_costs_the_others_nothing() -> None:
    world = World()
    codes = [c for n in range(60) if shard_of(AccountCode(c := f"c{n}")) == 3][:2]
    used(world, *codes)
    job = lack(world).job

    def fails(_: Call) -> None:
        raise Unavailable("no answer")

    world.journal.before("log.events", fails)
    work(world)
    status = world.process.run_reaggregation.status(job.id)
    failed = {code: why for part in status.parts for code, why in part.failed.items()}
    assert list(failed) == codes[:1]
    assert "no answer" in failed[AccountCode(codes[0])]
    assert [sums(world, code) for code in codes] == [0, 10]


def test_children_are_made_where_their_family_is() -> None:
    world = World()
    parent = world.account("p")
    child = next(c for n in range(9) if shard_of(c := AccountCode(f"c{n}")) != shard_of(parent))
    world.accounts.create(AccountRecord(Account(child, parent=parent)))
    world.change(parent, children=(child,))
    world.use(child, 5, EARLIER)
    world.process.fold(shard_of(parent), child, [EARLIER], None)
    lack(world)
    work(world)
    rows = world.days.read(shard_of(parent), child, EARLIER.date(), START.date())
    (row,) = rows.values()
    assert row.value.cells[EARLIER].fields["double"].total == 10


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        (ReaggregationOrder(since=START - 50 * DAY), "/since"),
        (ReaggregationOrder(until=START + 2 * DAY), "/until"),
        (ReaggregationOrder(since=START, until=START - DAY), "/until"),
        (ReaggregationOrder(since=START.replace(tzinfo=None)), "/since"),
        (ReaggregationOrder(accounts=(AccountCode("nobody"),)), "/accounts/0"),
        (ReaggregationOrder(accounts=(AccountCode("a|b"),)), "/accounts/0"),
        (ReaggregationOrder(accounts=()), "/accounts"),
    ],
)
def test_orders_that_cannot_be(order: ReaggregationOrder, pointer: str) -> None:
    world = World()
    with pytest.raises(InvalidInput) as raised:
        world.process.run_reaggregation.start(order, "ada")
    assert [fault.pointer for fault in raised.value.fields] == [pointer]
    assert world.journal.writes == {}


def test_what_is_unknown() -> None:
    service = World().process.run_reaggregation
    with pytest.raises(NotFound):
        service.status("x")
    with pytest.raises(InvalidInput):
        service.take({"shard": 1, "reaggregation": "x"})


def test_recent_jobs_are_listed_newest_first() -> None:
    world = World()
    service = world.process.run_reaggregation
    ids = []
    for _ in range(2):
        ids.append(service.start(ALL, "ada").job.id)
        world.clock.advance(timedelta(minutes=1))
    assert [status.job.id for status in service.recent()] == ids[::-1]


def test_progress_is_noted_now_and_then() -> None:
    world = World()
    codes = [c for n in range(900) if shard_of(AccountCode(c := f"c{n}")) == 3]
    for code in codes[: NOTED_EVERY + 2]:
        world.account(code)
    service = world.process.run_reaggregation
    service.start(ALL, "ada")
    message = next(order for order in orders(world) if order["shard"] == 3)
    world.journal.forget()
    service.take(message)
    assert world.journal.count("reaggregations.note") == 2
