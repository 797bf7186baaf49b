"""Changes of the catalogue: conditions, effective hours, dry runs, and what follows from them."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.account import Account, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.changes import Change
from shared.domain.catalog.charges import Due, Upfront
from shared.domain.catalog.meter import DerivedField
from shared.domain.catalog.timeline import TAKING_HOLD
from shared.domain.errors import (
    InvalidInput,
    NotFound,
    PreconditionRequired,
    StaleVersion,
    Unavailable,
)
from shared.domain.ids import AccountCode, AggregationCode, FieldCode, all_shards, shard_of
from shared.domain.period import DAY, HOUR
from shared.domain.rating.per_unit import PerUnit
from shared.domain.usage.aggregate import AggregationType
from shared.ports import AgendaEntry, PutAgenda
from shared.services.catalog import SUBJECT, CatalogChange, Condition, Intent
from shared.services.directory import LIFE
from tests.services.taps import Call
from tests.services.world import CATALOG, START, TOKENS, World, catalog_of, plan_of

DEARER = catalog_of(plan_of("basic", PerUnit(Decimal("0.02")), "standard"))
NEXT_HOUR = START + HOUR
ADA = Intent("ada")


def put(
    world: World, catalog: Catalog, since: datetime | None = None, *, dry_run: bool = False
) -> CatalogChange:
    return world.process.put_catalog(catalog, Intent("ada", since, dry_run=dry_run))


def test_the_first_version_holds_for_all_time() -> None:
    change = put(World(catalog=None), CATALOG)
    assert (change.new, change.version.effective_from) == (True, None)


def test_others_hold_from_the_next_hour_on() -> None:
    world = World()
    world.clock.advance(timedelta(minutes=50))
    assert put(world, DEARER).version.effective_from == NEXT_HOUR
    cache = world.boot().queries.rate_account
    assert cache is not None
    assert world.process.put_catalog.current().catalog == DEARER


def test_a_dry_run_stores_nothing() -> None:
    world = World()
    change = put(world, DEARER, dry_run=True)
    assert (change.new, change.version.number) == (True, 2)
    assert world.process.put_catalog.current().number == 1
    assert world.journal.writes == {}


def test_the_changes_are_shown_before_and_kept_after() -> None:
    world = World()
    before = put(world, DEARER, dry_run=True).version.changes
    put(world, DEARER)
    kept = world.process.put_catalog.version(2).changes
    assert before == kept
    assert [change.path for change in kept] == [
        "/plans/basic/pricing/0/charge/unitPrice",
        "/plans/tiered",
    ]
    assert kept[0] == Change("replace", kept[0].path, "0.01", "0.02")


def test_every_version_is_in_the_trail() -> None:
    world = World()
    put(world, DEARER, dry_run=True)
    assert list(world.trail.of(SUBJECT)) == []
    put(world, DEARER)
    (entry,) = world.trail.of(SUBJECT)
    assert (entry.actor, entry.action, entry.at) == ("ada", "catalog.put", START)
    assert dict(entry.detail) == {
        "version": "2",
        "effectiveFrom": NEXT_HOUR.isoformat(),
        "changes": "2",
        "paths": "/plans/basic/pricing/0/charge/unitPrice, /plans/tiered",
    }
    put(world, DEARER)
    assert len(list(world.trail.of(SUBJECT))) == 1


def test_a_version_that_the_trail_does_not_know_is_not_stored() -> None:
    world = World()

    def fails(_: Call) -> None:
        raise Unavailable("no answer")

    world.journal.before("audit.append", fails)
    with pytest.raises(Unavailable):
        put(world, DEARER)
    assert world.process.put_catalog.current().number == 1


def test_an_old_version_can_be_put_again() -> None:
    world = World()
    put(world, DEARER)
    back = put(world, world.process.put_catalog.version(1).catalog)
    assert (back.new, back.version.number, back.version.catalog) == (True, 3, CATALOG)
    assert [head.number for head in world.process.put_catalog.heads()] == [3, 2, 1]
    with pytest.raises(NotFound):
        world.process.put_catalog.version(4)


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        (None, PreconditionRequired),
        ([2], StaleVersion),
        ([], StaleVersion),
        ([1], None),
        ([7, 1], None),
    ],
)
def test_conditions(numbers: list[int] | None, error: type[Exception] | None) -> None:
    world = World()
    condition = Condition(None if numbers is None else frozenset(numbers))
    if error is None:
        assert world.process.put_catalog(DEARER, ADA, condition).version.number == 2
        return
    with pytest.raises(error):
        world.process.put_catalog(DEARER, ADA, condition)
    assert world.process.put_catalog.current().number == 1


def test_the_first_needs_no_condition_and_meets_none() -> None:
    world = World(catalog=None)
    with pytest.raises(StaleVersion):
        world.process.put_catalog(CATALOG, ADA, Condition(frozenset([1])))
    assert world.process.put_catalog(CATALOG, ADA, Condition()).version.number == 1


@pytest.mark.parametrize(
    "since",
    [
        pytest.param(START + timedelta(minutes=30), id="no full hour"),
        pytest.param(START - 40 * DAY - HOUR, id="too long ago"),
        pytest.param(START + 500 * DAY, id="too far ahead"),
    ],
)
def test_hours_at_which_no_version_can_begin(since: datetime) -> None:
    world = World()
    with pytest.raises(InvalidInput) as raised:
        put(world, DEARER, since)
    assert [fault.pointer for fault in raised.value.fields] == ["?effectiveFrom"]


def test_a_change_of_the_past_looks_at_every_account_once_all_processes_know_it() -> None:
    world = World()
    accounts = {world.account(code) for code in ("a", "b", "c")}
    put(world, DEARER, START - 5 * HOUR)
    entries = [e.value for s in all_shards() for e in world.ledger.agenda(s, START + DAY)]
    assert {entry.account for entry in entries} == accounts
    assert all(entry.due >= START + TAKING_HOLD for entry in entries)


def test_a_change_of_the_future_looks_at_none() -> None:
    world = World()
    world.account("a")
    put(world, DEARER)
    assert [e for s in all_shards() for e in world.ledger.agenda(s, START + DAY)] == []


def test_meters_whose_usage_does_not_suffice_are_named() -> None:
    world = World()
    derived = DerivedField(FieldCode("d"), "n * 2")
    meters = (replace(CATALOG.meters[0], derived_fields=(derived,)),)
    changed = replace(CATALOG, meters=meters)
    assert put(world, changed, START - HOUR, dry_run=True).reaggregated == (TOKENS,)
    assert put(world, changed, dry_run=True).reaggregated == ()
    world.clock.advance(timedelta(minutes=50))
    assert put(world, changed, dry_run=True).reaggregated == (TOKENS,)


def test_a_price_counts_from_its_hour_on_in_the_hourly_run() -> None:
    world = World()
    account = world.customer()
    world.use(account, 100)
    put(world, catalog_of(plan_of("basic", PerUnit(Decimal("0.02")), "standard")))
    world.next_run()
    assert world.billed(account) == 100
    world.use(account, 100)
    world.next_run()
    assert world.billed(account) == 300


def test_a_price_of_the_past_corrects_what_was_billed() -> None:
    world = World()
    account = world.customer()
    world.use(account, 100)
    world.next_run()
    put(world, DEARER, START)
    world.next_run(2)
    assert world.billed(account) == 200


def test_the_hot_path_reads_a_version_once() -> None:
    world = World()
    world.account("acme")
    world.use("acme")
    put(world, DEARER)
    world.clock.advance(LIFE)
    world.journal.forget()
    world.use("acme")
    world.use("acme")
    assert world.journal.count("catalogs.heads") == 1
    assert world.journal.count("catalogs.get", "catalogs.current") == 0
    world.clock.advance(HOUR)
    for _ in range(3):
        world.use("acme")
    assert world.journal.count("catalogs.get") == 1


def test_derived_fields_are_part_of_usage_and_not_of_the_event() -> None:
    total = Aggregation(
        AggregationCode("total"), TOKENS, AggregationType.SUM, FieldCode("d"), unit="token"
    )
    meter = replace(CATALOG.meters[0], derived_fields=(DerivedField(FieldCode("d"), "n * 3"),))
    world = World(catalog=replace(CATALOG, meters=(meter,), aggregations=(total,)))
    account = world.customer()
    world.use(account, 10)
    (row,) = world.log.stored_events()
    assert row.event.data == {"n": 10}
    world.next_run()
    assert world.billed(account) == 30


def family(world: World) -> tuple[AccountCode, AccountCode]:
    """A customer with a child whose code alone would lead to another shard."""
    parent = world.customer()
    child = next(
        code for n in range(9) if shard_of(code := AccountCode(f"c{n}")) != shard_of(parent)
    )
    world.accounts.create(AccountRecord(Account(child, parent=parent)))
    world.change(parent, children=(child,))
    return parent, child


def with_set_up(price: str) -> Catalog:
    fee = Upfront("set-up", Due(Decimal(50)))
    plan = plan_of("basic", PerUnit(Decimal(price)), "standard")
    return catalog_of(replace(plan, charges=(fee,)))


def test_a_change_of_the_past_looks_at_families_where_they_are_billed() -> None:
    world = World(catalog=with_set_up("0.01"))
    parent, _ = family(world)
    world.next_run()
    assert world.billed(parent) == 5000
    put(world, with_set_up("0.02"), START)
    world.next_run(3)
    assert world.billed(parent) == 5000


def test_an_entry_of_a_child_is_given_to_the_shard_of_its_family() -> None:
    world = World(catalog=with_set_up("0.01"))
    parent, child = family(world)
    world.next_run()
    due = world.clock.now().replace(minute=0)
    world.ledger.write(shard_of(child), [PutAgenda(AgendaEntry(due, child))])
    world.run([shard_of(child)])
    assert world.ledger.agenda(shard_of(child), due) == []
    entries = [entry.value for entry in world.ledger.agenda(shard_of(parent), due)]
    assert AgendaEntry(due, parent) in entries
    world.next_run()
    assert world.billed(parent) == 5000
