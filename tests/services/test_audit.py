"""The daily audit: what slipped through every rule is found, counted and billed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.finding import FindingKind
from shared.domain.ids import AccountCode, all_shards, shard_of
from shared.domain.period import DAY, Frequency, day_of, hour_of
from shared.domain.usage.event import UsageEvent, canonical_payload, payload_hash
from shared.domain.usage.partial import Partial
from shared.ports import EventRow, Mark, PartialKey, PartialWrite, UsageBatch
from shared.services.audit import TendTables
from tests.services.world import CHEAP, TOKENS, World, catalog_of, plan_of

RETENTION = timedelta(days=42)


@pytest.fixture
def world() -> World:
    daily = replace(plan_of("daily", CHEAP, "standard"), frequency=Frequency.DAILY)
    return World(catalog=catalog_of(daily))


def slip_in(world: World, account: AccountCode, n: int, time: datetime) -> UsageEvent:
    """Store usage in a way that no run looks at: marked as if it had arrived when it happened."""
    late, hour = world.event(account, n, time=time), hour_of(time)
    partial = Partial()
    partial.add(late)
    row = EventRow(account, late.key, payload_hash(canonical_payload(late)), late)
    world.log.append(
        UsageBatch(
            day_of(time),
            shard_of(account),
            "writer",
            (row,),
            (PartialWrite(PartialKey(account, hour, TOKENS), partial, None),),
            (Mark(hour, account, hour),),
        )
    )
    return late


def test_usage_of_an_ended_period_that_was_never_counted_is_billed(world: World) -> None:
    account, before = world.customer(), world.clock.at
    world.use(account, 100)
    world.next_run(20)
    slip_in(world, account, 50, before)
    world.next_run()
    assert world.billed(account) == 100
    assert world.process.audit(shard_of(account)).behind == [account]
    world.next_run(2)
    assert world.billed(account) == 150
    assert [f.kind for f in world.findings.all()] == [FindingKind.FOLD_BEHIND]


def test_an_audit_that_finds_nothing_writes_nothing(world: World) -> None:
    account = world.customer()
    world.use(account, 100)
    world.next_run(6)
    world.journal.forget()
    report = world.process.audit(shard_of(account))
    assert (report.accounts, report.behind, report.failed) == (1, [], {})
    assert world.journal.count("days.write") == world.journal.count("ledger.write") == 0


def test_a_table_stays_until_what_the_audit_found_in_it_is_billed(world: World) -> None:
    account, before = world.customer(), world.clock.at
    tend = TendTables(world.log, world.process.audit, world.clock, RETENTION)
    world.use(account, 100)
    world.next_run(2)
    slip_in(world, account, 50, before)
    world.clock.advance(RETENTION + 2 * DAY)
    world.next_run()
    assert day_of(before) not in tend(all_shards())
    world.next_run(2)
    assert world.row(account).rated == 150
    world.clock.advance(DAY)
    assert day_of(before) in tend(all_shards())
    assert day_of(before) not in world.log.days()
