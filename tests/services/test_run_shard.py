"""The hourly run over the strict stores: normal paths, races, failures, and nothing in vain."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.account import AccountPlan
from shared.domain.catalog.plan import AmountBilling
from shared.domain.errors import Unavailable
from shared.domain.finding import FindingKind
from shared.domain.ids import AccountCode, DimensionId, PlanCode, Shard, all_shards, shard_of
from shared.domain.lifecycle.available_plan import AvailablePlan, PlanDimension
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.metering.submission import SubmissionState
from shared.domain.period import DAY, HOUR
from shared.services.run_report import RunReport
from tests.fakes.marketplace import LoseAnswer, LoseRequest, PartialBatch, Refuse, Throttle
from tests.services.taps import Call
from tests.services.world import BASIC, CATALOG, CHEAP, START, World, catalog_of, plan_of

ACCEPTED, HELD = SubmissionState.ACCEPTED, SubmissionState.HELD
OPEN, RELEASED, UNCERTAIN = (
    SubmissionState.OPEN,
    SubmissionState.RELEASED,
    SubmissionState.UNCERTAIN,
)


@pytest.fixture
def world() -> World:
    return World()


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def customers(world: World, shard: Shard, number: int) -> list[AccountCode]:
    """So many customers of one shard."""
    found: list[AccountCode] = []
    while len(found) < number:
        account = world.customer()
        if shard_of(account) == shard:
            found.append(account)
    return found


# --- the normal way


def test_usage_of_an_hour_is_billed_after_it(world: World) -> None:
    account = world.customer()
    world.use(account, 250)
    world.next_run()
    assert world.billed(account) == 250
    (sent,) = world.submissions(account)
    assert (sent.state, sent.hour, sent.plan) == (ACCEPTED, START, "standard")
    row = world.row(account)
    assert row.rated == row.committed == 250
    assert row.open_hour is None


def test_only_the_difference_is_sent_each_hour(world: World) -> None:
    account = world.customer()
    for n in (100, 0, 30):
        world.use(account, n)
        world.next_run()
    assert [s.quantity for s in world.submissions(account)] == [100, 30]
    assert world.billed(account) == 130


def test_part_of_a_cent_waits(world: World) -> None:
    account = world.customer()
    world.use(account, "0.7")
    world.next_run()
    assert world.billed(account) == 0
    world.use(account, "0.7")
    world.next_run()
    assert world.billed(account) == 1


def test_late_usage_of_an_old_day_is_found_by_its_hint(world: World) -> None:
    account = world.customer()
    world.next_run(24 * 4)
    world.use(account, 10, START + HOUR)
    world.next_run()
    assert world.billed(account) == 10


def test_a_lost_activation_note_still_finds_usage_by_reading_everything(world: World) -> None:
    account = world.customer()
    world.use(account, 5)
    world.clock.advance(3 * DAY)
    world.run()
    assert world.billed(account) == 5


def test_usage_of_an_account_without_subscription_is_kept(world: World) -> None:
    account = world.account("internal")
    world.change(account, subscriptions=())
    world.use(account, 9)
    world.next_run()
    assert world.journal.count("days.write") == 1


# --- nothing in vain


def test_an_idle_shard_is_cheap(world: World) -> None:
    world.next_run()
    world.journal.forget()
    world.to_next_run()
    world.process.run_shard(Shard(3))
    assert len(world.journal.calls) <= 8
    assert world.journal.writes == {"runs.complete": 1}


def test_a_rerun_without_news_sends_nothing_and_notes_only_its_completion(world: World) -> None:
    accounts = [world.customer() for _ in range(5)]
    for account in accounts:
        world.use(account, 30)
    world.next_run(2)
    for _ in range(2):
        world.journal.forget()
        world.run()
        assert world.journal.writes == {"runs.complete": 16}
        assert world.journal.count("marketplace.send") == 0


def test_an_unchanged_account_costs_nothing(world: World) -> None:
    quiet, busy = customers(world, Shard(3), 2)
    world.use(quiet, 1)
    world.next_run(3)
    world.use(busy, 1)
    world.to_next_run()
    world.journal.forget()
    world.run_for(busy)
    loads = [call.arguments for call in world.journal.calls if call.name == "accounts.load"]
    assert loads == [(busy,)]


def test_a_changed_account_is_read_once_from_each_store(world: World) -> None:
    account = world.customer()
    world.next_run(2)
    world.use(account, 1)
    world.to_next_run()
    world.journal.forget()
    world.run_for(account)
    counts = world.journal.counts()
    own = ("accounts.load", "days.read", "log.partials", "ledger.rows")
    assert [counts[name] for name in own] == [1, 1, 1, 1]
    assert world.journal.writes == {"days.write": 1, "ledger.write": 3, "runs.complete": 1}


@pytest.mark.parametrize(("number", "calls"), [(1, 1), (25, 1), (26, 2), (60, 3)])
def test_so_many_submissions_take_so_few_calls(world: World, number: int, calls: int) -> None:
    accounts = [world.account(f"c{n}") for n in range(number * 40)]
    shared = [account for account in accounts if shard_of(account) == 3][:number]
    for account in shared:
        world.use(account, 1)
    world.to_next_run()
    world.journal.forget()
    report = world.process.run_shard(Shard(3))
    assert (report.intents, report.calls) == (number, calls)
    assert world.journal.count("marketplace.send") == calls


# --- answers


def ordered(world: World, *faults: LoseAnswer | LoseRequest | PartialBatch | Refuse | Throttle
            ) -> None:  # fmt: skip
    """Faults of the coming calls of the Marketplace."""
    world.marketplace.faults.extend(faults)


def test_a_lost_answer_is_settled_by_the_duplicate_of_the_same_hour(world: World) -> None:
    account = world.customer()
    world.use(account, 40)
    ordered(world, LoseAnswer())
    world.next_run()
    assert world.states(account) == [OPEN]
    world.use(account, 2)
    world.next_run()
    assert world.states(account) == [ACCEPTED, ACCEPTED]
    assert [s.quantity for s in world.submissions(account)] == [40, 2]
    assert world.billed(account) == 42


def test_a_lost_request_is_sent_again_as_it_was(world: World) -> None:
    account = world.customer()
    world.use(account, 40)
    ordered(world, LoseRequest())
    world.next_run()
    world.use(account, 2)
    world.next_run()
    first, second = world.submissions(account)
    assert (first.hour, first.attempts) == (START, 2)
    assert first.quantity == 40
    assert second.quantity == 2
    assert world.billed(account) == 42


@pytest.mark.parametrize("fault", [Throttle(), Refuse(403)], ids=["429", "403"])
def test_a_refused_call_is_held_and_repeated_next_hour(
    world: World, fault: Throttle | Refuse
) -> None:
    account = world.customer()
    world.use(account, 40)
    ordered(world, fault)
    world.to_next_run()
    report = world.run_for(account)
    (held,) = world.submissions(account)
    assert (held.state, held.attempts) == (HELD, 0)
    assert report.reasons == {held.reason: 1}
    world.journal.forget()
    world.run()
    assert world.journal.count("marketplace.send") == 0
    world.next_run()
    assert world.states(account) == [ACCEPTED]
    assert world.billed(account) == 40


def test_an_item_without_answer_stays_open_beside_its_batch(world: World) -> None:
    first, second = customers(world, Shard(5), 2)
    world.use(first, 1)
    world.use(second, 2)
    ordered(world, PartialBatch(1, applied=True))
    world.next_run()
    assert sorted(world.states(first) + world.states(second)) == [ACCEPTED, OPEN]
    world.next_run()
    assert [world.billed(first), world.billed(second)] == [1, 2]


@pytest.mark.parametrize(("foreign", "later"), [(15, 65), (90, 90)])
def test_a_duplicate_with_another_quantity_is_reported_and_made_up(
    world: World, foreign: int, later: int
) -> None:
    """Someone else reported this hour: what the Marketplace holds counts as told."""
    account = world.customer()
    world.use(account, 40)
    world.to_next_run()

    def report_elsewhere(call: Call) -> None:
        (batch,) = call.arguments
        assert isinstance(batch, list)
        world.marketplace.send([replace(batch[0], quantity=Decimal(foreign))])

    world.journal.before("marketplace.send", report_elsewhere)
    report = world.process.run_shard(shard_of(account))
    (differing,) = report.differing
    assert [differing.quantity, differing.billed] == [40, foreign]
    assert report.answers["duplicate"] == 1
    first = world.submissions(account)[0]
    assert first.state is ACCEPTED
    assert first.billed == foreign
    world.use(account, 25)
    world.to_next_run()
    world.process.run_shard(shard_of(account))
    assert world.billed(account) == later


def test_expired_at_its_first_attempt_is_billed_in_a_newer_hour(world: World) -> None:
    account = world.customer()
    world.use(account, 40)
    world.marketplace.decide = lambda call: Refuse(403) if call == "send" else None
    world.next_run(30)
    assert world.states(account) == [HELD]
    world.marketplace.decide = lambda _: None
    world.next_run()
    assert world.states(account) == [RELEASED, ACCEPTED]
    assert world.billed(account) == world.row(account).committed == 40


def test_expired_with_a_doubt_is_uncertain_and_never_sent_again(world: World) -> None:
    account = world.customer()
    world.use(account, 40)
    world.marketplace.decide = lambda call: LoseAnswer() if call == "send" else None
    world.next_run(30)
    world.marketplace.decide = lambda _: None
    world.use(account, 2)
    world.next_run(2)
    assert world.states(account) == [UNCERTAIN, ACCEPTED]
    assert world.billed(account) == 42
    assert world.row(account).committed == 42
    world.to_next_run()
    assert world.process.run_shard(shard_of(account)).uncertain == 1


def test_an_outage_leaves_one_probe_in_doubt_and_sends_the_rest_at_once(world: World) -> None:
    account = world.customer()
    world.marketplace.decide = lambda call: LoseRequest() if call == "send" else None
    for hour in range(30):
        world.use(account, 10 + hour)
        world.next_run()
        assert len(world.submissions(account)) == 1
    world.marketplace.decide = lambda _: None
    world.next_run()
    assert world.states(account) == [UNCERTAIN, ACCEPTED]
    probe, rest = world.submissions(account)
    assert probe.quantity == 10
    assert rest.quantity == sum(range(11, 40))


@pytest.mark.parametrize("fault", [LoseAnswer(), LoseRequest()], ids=["taken", "not taken"])
def test_what_was_in_doubt_is_settled_by_the_usage_report(
    world: World, fault: LoseAnswer | LoseRequest
) -> None:
    account = world.customer()
    world.use(account, 40)
    world.marketplace.decide = lambda call: fault if call == "send" else None
    world.next_run(30)
    world.marketplace.decide = lambda _: None
    world.use(account, 2)
    world.next_run(30)
    first = world.submissions(account)[0]
    assert first.state is SubmissionState.SETTLED
    assert first.billed == (40 if isinstance(fault, LoseAnswer) else 0)
    assert world.billed(account) == world.row(account).committed == 42
    world.journal.forget()
    world.next_run()
    assert world.journal.writes == {"runs.complete": 16}
    assert world.process.run_shard(shard_of(account)).uncertain == 0


def test_a_call_without_answer_closes_the_way_for_a_minute(world: World) -> None:
    accounts = [world.account(f"c{n}") for n in range(1200)]
    shared = [account for account in accounts if shard_of(account) == 3][:60]
    for account in shared:
        world.use(account, 1)
    ordered(world, LoseRequest())
    world.to_next_run()
    assert world.process.run_shard(Shard(3)).calls == 1
    assert world.process.run_shard(Shard(3)).calls == 0
    attempts = [s.attempts for account in shared for s in world.submissions(account)]
    assert sorted(attempts) == [0] * 35 + [1] * 25
    world.clock.advance(timedelta(seconds=60))
    assert world.process.run_shard(Shard(3)).calls == 3


# --- suspension and the end


def test_suspended_usage_accrues_and_is_sent_after_reinstating(world: World) -> None:
    account = world.customer()
    sold = world.record(account).subscription
    assert sold is not None
    world.marketplace.suspend(sold.id)
    world.process.follow(sold.id)
    world.use(account, 40)
    world.next_run(3)
    assert world.journal.count("marketplace.send") == 0
    assert world.row(account).rated == 40
    world.marketplace.reinstate(sold.id)
    world.clock.advance(timedelta(minutes=1))
    world.process.follow(sold.id)
    world.next_run()
    assert world.billed(account) == 40


def test_cancelled_it_flushes_at_the_end_of_the_grace(world: World) -> None:
    account = world.customer()
    sold = world.record(account).subscription
    assert sold is not None
    world.use(account, 40)
    world.next_run()
    world.clock.advance(timedelta(minutes=20))
    world.use(account, 2)
    world.clock.advance(timedelta(minutes=5))
    world.marketplace.unsubscribe(sold.id)
    world.process.follow(sold.id)
    ended = world.record(account).subscription
    assert ended is not None
    assert ended.end == world.clock.now()
    world.next_run()
    world.use(account, 3, world.clock.now() - timedelta(minutes=40))
    world.next_run(2)
    last = world.submissions(account)[-1]
    assert (last.final, last.hour) == (True, START + HOUR)
    assert world.row(account).flushed
    assert world.billed(account) == 45
    world.next_run(30)
    world.journal.forget()
    world.next_run(5)
    assert world.journal.writes == {"runs.complete": 80}


@pytest.mark.parametrize("hours", [None, 0, 5])
def test_the_catalogue_says_when_the_final_submission_is_made(hours: int | None) -> None:
    organization = replace(CATALOG.organization, usage_grace_hours=hours)
    world = World(catalog=replace(CATALOG, organization=organization))
    account = world.customer()
    sold = world.record(account).subscription
    assert sold is not None
    world.next_run()
    used = world.clock.advance(timedelta(minutes=20))
    world.use(account, 2)
    end = world.clock.advance(timedelta(minutes=5))
    world.marketplace.unsubscribe(sold.id)
    world.process.follow(sold.id)
    grace = world.grace if hours is None else timedelta(hours=hours)
    world.next_run()
    while world.clock.now() < end + grace:
        assert not world.row(account).flushed
        world.use(account, 1, used)
        world.next_run()
    assert world.row(account).flushed
    assert world.billed(account) == world.row(account).rated > 0


# --- accounts that fail


def failing(world: World) -> tuple[AccountCode, AccountCode]:
    """A customer whose plan the catalogue has lost, and a healthy one of the same shard."""
    bad, good = customers(world, Shard(7), 2)
    world.next_run()
    attached = AccountPlan("gone", PlanCode("gone"), START)
    world.change(bad, plans=(attached,))
    return bad, good


def test_a_failing_account_stops_no_other(world: World) -> None:
    bad, good = failing(world)
    world.use(bad, 1)
    world.use(good, 2)
    world.to_next_run()
    report = world.run_for(good)
    assert list(report.failed) == [bad]
    assert "gone" in report.failed[bad]
    assert world.billed(good) == 2
    assert world.runs.begin(Shard(7)).last_completed == world.clock.now()


def test_a_failing_account_is_tried_again_and_loses_no_usage(world: World) -> None:
    bad, _ = failing(world)
    world.use(bad, 5)
    world.next_run(4)
    assert bad in world.process.run_shard(Shard(7)).failed
    world.put_catalog(replace(CATALOG, plans=(replace(BASIC, code=PlanCode("gone")),)))
    world.next_run()
    assert world.billed(bad) == 5


def test_usage_whose_fold_failed_is_folded_later(world: World) -> None:
    account = world.customer()
    world.next_run(2)
    world.use(account, 5)
    for _ in range(4):
        world.journal.before("log.partials", lost)
        world.next_run()
    assert world.journal.pending == 0
    assert world.billed(account) == 0
    world.next_run()
    assert world.billed(account) == 5


def test_usage_whose_first_fold_ever_failed_is_folded_later(world: World) -> None:
    account = world.customer()
    world.use(account, 5)
    world.clock.advance(2 * DAY)
    for _ in range(4):
        world.journal.before("log.partials", lost)
        world.next_run()
    world.next_run()
    assert world.billed(account) == 5


def test_an_account_that_failed_for_days_recovers(world: World) -> None:
    bad, _ = failing(world)
    world.use(bad, 5)
    world.next_run(150)
    due = world.ledger.agenda(Shard(7), world.clock.now())
    assert len(due) <= 2
    world.put_catalog(replace(CATALOG, plans=(replace(BASIC, code=PlanCode("gone")),)))
    world.next_run()
    assert world.billed(bad) == 5


def test_without_catalogue_usage_waits() -> None:
    world = World(catalog=None)
    account = world.account("early")
    assert [r.failed for r in world.run()] == [{}] * 16
    world.send(world.event(account, 4))
    world.put_catalog(CATALOG)
    world.clock.advance(timedelta(minutes=1))
    world.process.replay_parked()
    world.next_run()
    assert world.row(account).rated == 4


# --- two dimensions of one account


def test_two_dimensions_of_one_account_settle_together() -> None:
    other = plan_of("other", CHEAP, "scale", AmountBilling(DimensionId("other_fee")))
    world = World(catalog=catalog_of(BASIC, other))
    both = AvailablePlan("standard", dimensions=(PlanDimension("usage_fee"),
                                                 PlanDimension("other_fee")))  # fmt: skip
    world.marketplace.plans["standard"] = both
    account = world.customer()
    first = world.record(account).plans[0]
    change = START + HOUR
    world.change(account, plans=(
        replace(first, end=change), AccountPlan("second", PlanCode("other"), change)
    ))  # fmt: skip
    world.use(account, 30)
    world.clock.at = change
    world.use(account, 30)
    ordered(world, Throttle())
    world.next_run()
    assert world.states(account) == [HELD, HELD]
    world.use(account, 1, START)
    world.use(account, 2)
    world.next_run()
    world.next_run()
    assert world.billed(account, "usage_fee") == 31
    assert world.billed(account, "other_fee") == 32


# --- other runs in between, and crashes, at every single call


def history(world: World) -> tuple[AccountCode, AccountCode]:
    """Two customers of one shard with usage that crosses an hour, up to a run that is due."""
    first, second = customers(world, Shard(9), 2)
    world.use(first, 40)
    world.next_run()
    world.use(first, 2)
    world.use(second, 300)
    world.use(second, 5, START)
    world.to_next_run()
    return first, second


def finished(world: World, accounts: tuple[AccountCode, AccountCode]) -> None:
    """Whatever happened, later runs bring the Marketplace to what is due, and then rest."""
    world.check()
    world.next_run(2)
    first, second = accounts
    assert [world.billed(first), world.billed(second)] == [42, 305]
    world.journal.forget()
    world.run()
    assert world.journal.writes == {"runs.complete": 16}


def calls_of_a_run() -> int:
    world = World()
    history(world)
    world.journal.forget()
    world.process.run_shard(Shard(9))
    return len(world.journal.calls)


def at_call(world: World, number: int, step: Callable[[], object]) -> None:
    """Run ``step`` once, before the call of that number."""
    seen = 0

    def count(_: Call) -> None:
        nonlocal seen
        seen += 1
        if seen == number + 1:
            step()

    world.journal.always = count


CALLS = range(calls_of_a_run())


@pytest.mark.parametrize("number", CALLS)
def test_another_whole_run_in_between(number: int) -> None:
    world = World()
    accounts = history(world)
    other = world.boot()
    at_call(world, number, lambda: other.run_shard(Shard(9)))
    world.process.run_shard(Shard(9))
    finished(world, accounts)


@pytest.mark.parametrize("number", CALLS)
def test_more_usage_and_another_run_in_between(number: int) -> None:
    world = World()
    first, second = history(world)
    other = world.boot()

    def more() -> None:
        other.ingest([world.event(first, 7)])
        other.run_shard(Shard(9))

    at_call(world, number, more)
    world.process.run_shard(Shard(9))
    world.check()
    assert world.row(first).rated == 49, "a total that is behind was written over a newer one"
    world.next_run(2)
    assert [world.billed(first), world.billed(second)] == [49, 305]


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("number", CALLS)
def test_a_crash_before_any_call(number: int) -> None:
    world = World()
    accounts = history(world)

    def crash() -> None:
        raise Crash

    at_call(world, number, crash)
    with pytest.raises(Crash):
        world.process.run_shard(Shard(9))
    world.journal.always = None
    world.process = world.boot()
    finished(world, accounts)


@pytest.mark.parametrize("number", CALLS)
def test_a_lost_answer_of_any_call(number: int) -> None:
    world = World()
    accounts = history(world)
    names = [call.name for call in replayed(number)]
    name = names[number]
    world.journal.after(name, lost, names[: number + 1].count(name))
    try:
        world.process.run_shard(Shard(9))
    except Unavailable:
        world.process = world.boot()
    assert world.journal.pending == 0
    finished(world, accounts)


def replayed(_: int) -> list[Call]:
    world = World()
    history(world)
    world.journal.forget()
    world.process.run_shard(Shard(9))
    return world.journal.calls


def test_every_shard_is_asked_for_once(world: World) -> None:
    world.process.start_run()
    assert len(world.messages.sent["metering"]) == len(all_shards()) == 16
    assert set(world.process.start_run.status().values()) == {None}


def test_a_report_starts_empty() -> None:
    report = RunReport(Shard(0), START)
    assert (report.accounts, report.intents, report.calls) == (0, 0, 0)


def test_cancelled_while_nothing_was_used_writes_no_ledger_row(world: World) -> None:
    account = world.customer()
    sold = world.record(account).subscription
    assert sold is not None
    world.clock.advance(HOUR)
    world.marketplace.unsubscribe(sold.id)
    world.process.follow(sold.id)
    world.next_run(30)
    ended = world.record(account).subscription
    assert ended is not None
    assert ended.status is SubscriptionStatus.UNSUBSCRIBED
    assert world.submissions(account) == []


def test_an_account_that_breaks_our_own_code_does_not_stop_its_shard(world: World) -> None:
    broken, healthy = customers(world, Shard(5), 2)
    world.use(broken, 1)
    world.use(healthy, 2)

    def break_down(call: Call) -> None:
        if broken in call.arguments:
            raise ZeroDivisionError("an impossible price")

    world.journal.before("accounts.load", break_down)
    world.to_next_run()
    report = world.process.run_shard(Shard(5))
    assert world.billed(healthy) == 2
    assert list(report.failed) == [broken]
    assert re.fullmatch(r"ZeroDivisionError at \w+:\d+: an impossible price", report.failed[broken])


def test_a_run_says_how_old_the_oldest_unsent_submission_is(world: World) -> None:
    account = world.customer()
    world.use(account, 40)
    world.marketplace.decide = lambda call: LoseRequest() if call == "send" else None
    world.to_next_run()
    shard = shard_of(account)
    assert world.process.run_shard(shard).oldest_unsent is None
    world.to_next_run()
    assert world.process.run_shard(shard).oldest_unsent == START


def test_a_failing_account_does_not_make_its_shard_read_the_others_marks(world: World) -> None:
    failing, healthy = customers(world, Shard(5), 2)
    world.use(failing, 3)
    unsettled = True

    def fail(call: Call) -> None:
        if unsettled and failing in call.arguments:
            raise Unavailable("this one never answers")

    world.journal.before("accounts.load", fail)
    for _ in range(30):
        world.use(healthy, 1)
        world.to_next_run()
        world.process.run_shard(Shard(5))
    world.journal.forget()
    world.to_next_run()
    world.process.run_shard(Shard(5))
    assert world.journal.count("log.marks") <= 3
    assert world.billed(healthy) == 30
    unsettled = False
    world.next_run(2)
    assert world.billed(failing) == 3


def test_a_crash_while_recording_does_not_hide_a_differing_quantity(world: World) -> None:
    account = world.customer()
    world.use(account, 40)
    world.to_next_run()

    def report_elsewhere(call: Call) -> None:
        (batch,) = call.arguments
        assert isinstance(batch, list)
        world.marketplace.send([replace(batch[0], quantity=Decimal(15))])

    def die(_: Call) -> None:
        raise Crash

    world.journal.before("marketplace.send", report_elsewhere)
    world.journal.before("runs.complete", die)
    with pytest.raises(Crash):
        world.process.run_shard(shard_of(account))
    (finding,) = world.findings.all()
    assert finding.kind is FindingKind.QUANTITY_DIFFERS
    assert finding.detail == "sent 40, and the Marketplace holds 15"
