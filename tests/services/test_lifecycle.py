"""Activation and following the Marketplace: every step repeated, lost, and out of order."""

from datetime import timedelta

import pytest

from shared.domain.account import Account, AccountRecord
from shared.domain.errors import ConcurrentUpdate, Conflict, InvalidInput, NotFound, Unavailable
from shared.domain.ids import AccountCode, SubscriptionId, shard_of
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.period import DAY, HOUR, hour_of
from shared.services.receive_notice import Notice
from tests.fakes.marketplace import LoseAnswer, LoseRequest
from tests.services.taps import Call
from tests.services.world import BASIC, START, World, catalog_of

PENDING, SUBSCRIBED, SUSPENDED, UNSUBSCRIBED = SubscriptionStatus
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world() -> World:
    return World()


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def status(world: World, id_: str) -> SubscriptionStatus:
    sold = world.record(AccountCode(id_)).subscription
    assert sold is not None
    return sold.status


def start(world: World, id_: str) -> object:
    sold = world.record(AccountCode(id_)).subscription
    assert sold is not None
    return sold.start


# --- activation


def test_an_activated_purchase(world: World) -> None:
    world.clock.advance(20 * MINUTE)
    id_, token = world.marketplace.buy("standard")
    record = world.process.activate(token)
    assert record == world.record(AccountCode(id_))
    assert record.account.code == AccountCode(id_)
    assert [(p.plan, p.start) for p in record.plans] == [("basic", START)]
    sold = record.subscription
    assert sold is not None
    assert (sold.status, sold.start, sold.plan) == (SUBSCRIBED, START + 20 * MINUTE, "standard")
    assert world.marketplace.sold[id_].status is SUBSCRIBED
    assert world.ledger.agenda(shard_of(AccountCode(id_)), world.clock.now())


def test_no_subscription_is_tied_to_a_child(world: World) -> None:
    parent = world.customer()
    child = AccountCode("lab")
    world.accounts.create(AccountRecord(Account(child, parent=parent)))
    id_, _ = world.marketplace.buy("standard")
    with pytest.raises(Conflict, match=parent):
        world.process.adopt(id_, child, "me", pending=True)
    assert world.accounts.account_of(id_) is None
    assert world.process.adopt(id_, "other", "me", pending=True).account.code == "other"


def test_the_account_is_stored_before_the_marketplace_is_asked(world: World) -> None:
    id_, token = world.marketplace.buy()
    world.journal.before("marketplace.activate", lost)
    with pytest.raises(Unavailable):
        world.process.activate(token)
    assert status(world, id_) is PENDING
    assert world.record(AccountCode(id_)).plans
    assert world.ledger.agenda(shard_of(AccountCode(id_)), world.clock.now())


def test_repeating_changes_nothing(world: World) -> None:
    _, token = world.marketplace.buy()
    first = world.process.activate(token)
    world.clock.advance(HOUR)
    world.journal.forget()
    assert world.process.activate(token) == first
    assert world.journal.counts()["marketplace.activate"] == 0
    assert world.journal.writes == {"accounts.link": 1}


def test_a_lost_answer_to_activation_keeps_the_first_start(world: World) -> None:
    id_, token = world.marketplace.buy()
    world.marketplace.decide = lambda call: LoseAnswer() if call == "activate" else None
    with pytest.raises(Unavailable):
        world.process.activate(token)
    world.clock.advance(2 * HOUR)
    world.process.activate(token)
    assert start(world, id_) == START


def test_a_lost_request_to_activate_starts_at_the_next_try(world: World) -> None:
    id_, token = world.marketplace.buy()
    world.marketplace.faults.extend([None, LoseRequest()])
    with pytest.raises(Unavailable):
        world.process.activate(token)
    world.clock.advance(2 * HOUR)
    world.process.activate(token)
    assert start(world, id_) == START + 2 * HOUR
    assert world.record(AccountCode(id_)).plans[0].start == START + 2 * HOUR


CALLS_OF_ACTIVATION = 10


def test_the_number_of_calls_of_an_activation(world: World) -> None:
    world.customer()
    of_catalogue = world.journal.count("catalogs.heads", "catalogs.get")
    assert len(world.journal.calls) - of_catalogue == CALLS_OF_ACTIVATION


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("name", "nth"),
    [
        ("marketplace.resolve", 1),
        ("accounts.link", 1),
        ("accounts.load", 1),
        ("accounts.create", 1),
        ("accounts.save", 1),
        ("accounts.save", 2),
        ("ledger.write", 1),
        ("ledger.write", 2),
        ("marketplace.activate", 1),
    ],
)
def test_a_crash_at_any_call_of_activation_is_mended_by_repeating(
    world: World, name: str, nth: int, after: bool
) -> None:
    id_, token = world.marketplace.buy()
    (world.journal.after if after else world.journal.before)(name, lost, nth)
    with pytest.raises(Unavailable):
        world.process.activate(token)
    world.process = world.boot()
    world.process.activate(token)
    assert status(world, id_) is SUBSCRIBED
    assert len(world.record(AccountCode(id_)).plans) == 1
    world.use(id_, 7)
    world.next_run()
    assert world.billed(AccountCode(id_)) == 7


def test_a_second_click_in_between(world: World) -> None:
    id_, token = world.marketplace.buy()
    other = world.boot()
    world.journal.before("marketplace.activate", lambda _: other.activate(token))
    with pytest.raises(ConcurrentUpdate):
        world.process.activate(token)
    assert world.process.activate(token).subscription is not None
    assert status(world, id_) is SUBSCRIBED


def test_a_second_click_makes_the_account_in_between(world: World) -> None:
    id_, token = world.marketplace.buy()
    other = world.boot()
    world.journal.before("accounts.create", lambda _: other.activate(token))
    assert world.process.activate(token) == world.record(AccountCode(id_))
    assert status(world, id_) is SUBSCRIBED


def test_clicks_beside_each_other_note_one_activation(world: World) -> None:
    id_, token = world.marketplace.buy()
    other = world.boot()

    def overtake(_: Call) -> None:
        world.clock.advance(timedelta(seconds=1))
        other.activate(token)

    world.journal.before("marketplace.activate", overtake)
    with pytest.raises(ConcurrentUpdate):
        world.process.activate(token)
    world.process.activate(token)
    begun = [e for e in world.trail.of(id_) if e.action == "subscription.status"]
    assert [entry.at for entry in begun] == [START]


def test_a_bad_token(world: World) -> None:
    for token in ("", "nonsense"):
        with pytest.raises(InvalidInput):
            world.process.activate(token)


def test_a_purchase_that_no_plan_of_ours_means() -> None:
    world = World(catalog=catalog_of(BASIC))
    _, token = world.marketplace.buy("scale")
    with pytest.raises(NotFound):
        world.process.activate(token)
    assert list(world.accounts.codes()) == []


def test_a_cancelled_purchase(world: World) -> None:
    id_, token = world.marketplace.buy()
    world.marketplace.unsubscribe(id_)
    with pytest.raises(Conflict):
        world.process.activate(token)


def test_an_account_paid_for_by_another_subscription(world: World) -> None:
    id_, token = world.marketplace.buy()
    account = world.account("acme")
    world.accounts.link(id_, account)
    with pytest.raises(Conflict):
        world.process.activate(token)


# --- following


def test_a_cancellation_ends_when_it_happened(world: World) -> None:
    account = world.customer()
    id_ = SubscriptionId(account)
    world.clock.advance(HOUR)
    world.marketplace.unsubscribe(id_)
    world.clock.advance(30 * MINUTE)
    followed = world.process.follow(id_, START + HOUR)
    assert (followed.before, followed.after, followed.changed) == (SUBSCRIBED, UNSUBSCRIBED, True)
    sold = world.record(account).subscription
    assert sold is not None
    assert sold.end == START + HOUR
    due = world.ledger.agenda(shard_of(account), world.clock.now())
    assert hour_of(world.clock.now()) in [entry.value.due for entry in due]


def test_a_moment_to_come_counts_as_now(world: World) -> None:
    account = world.customer()
    id_ = SubscriptionId(account)
    world.marketplace.unsubscribe(id_)
    world.process.follow(id_, START + DAY)
    sold = world.record(account).subscription
    assert sold is not None
    assert sold.end == START


def test_following_again_changes_nothing(world: World) -> None:
    account = world.customer()
    world.marketplace.suspend(SubscriptionId(account))
    world.process.follow(SubscriptionId(account))
    before = world.record(account)
    world.clock.advance(HOUR)
    followed = world.process.follow(SubscriptionId(account))
    assert not followed.changed
    assert world.record(account) == before


def test_a_forged_cancellation_changes_nothing(world: World) -> None:
    account = world.customer()
    assert not world.process.follow(SubscriptionId(account), START).changed
    assert status(world, account) is SUBSCRIBED


def test_a_cancelled_subscription_never_comes_back(world: World) -> None:
    account = world.customer()
    id_ = SubscriptionId(account)
    world.marketplace.unsubscribe(id_)
    world.process.follow(id_)
    world.marketplace.sold[id_].become(SUBSCRIBED)
    assert not world.process.follow(id_).changed


def test_an_unknown_subscription_is_left_alone(world: World) -> None:
    id_, _ = world.marketplace.buy()
    followed = world.process.follow(id_)
    assert (followed.account, followed.changed) == (None, False)
    assert list(world.accounts.codes()) == []


def test_an_account_that_changes_meanwhile(world: World) -> None:
    account = world.customer()
    world.marketplace.suspend(SubscriptionId(account))
    world.journal.before("accounts.save", lambda _: world.change(account))
    assert world.process.follow(SubscriptionId(account)).after is SUSPENDED


def test_an_account_that_keeps_changing(world: World) -> None:
    account = world.customer()
    world.marketplace.suspend(SubscriptionId(account))
    for nth in range(1, 6):
        world.journal.before("accounts.save", lambda _: world.change(account), nth)
    with pytest.raises(ConcurrentUpdate):
        world.process.follow(SubscriptionId(account))


def crashed_activation(world: World) -> SubscriptionId:
    """Active at the Marketplace, and still pending here."""
    id_, token = world.marketplace.buy()
    world.journal.after("marketplace.activate", lost)
    with pytest.raises(Unavailable):
        world.process.activate(token)
    return id_


def test_an_activation_that_was_cut_short_is_followed_from_its_start(world: World) -> None:
    id_ = crashed_activation(world)
    world.clock.advance(10 * MINUTE)
    world.use(id_, 9)
    world.clock.advance(3 * HOUR)
    world.process.follow(id_)
    assert (status(world, id_), start(world, id_)) == (SUBSCRIBED, START)
    world.next_run()
    assert world.billed(AccountCode(id_)) == 9


def test_an_activation_that_was_cut_short_and_then_suspended(world: World) -> None:
    id_ = crashed_activation(world)
    world.clock.advance(HOUR)
    world.marketplace.suspend(id_)
    assert world.process.follow(id_).after is SUSPENDED
    assert start(world, id_) == START


def test_an_activation_that_was_cut_short_and_then_cancelled_is_still_billed(
    world: World,
) -> None:
    id_ = crashed_activation(world)
    world.clock.advance(10 * MINUTE)
    world.use(id_, 9)
    world.clock.advance(HOUR)
    world.marketplace.unsubscribe(id_)
    assert world.process.follow(id_).after is UNSUBSCRIBED
    world.next_run(4)
    assert world.billed(AccountCode(id_)) == 9


def test_a_purchase_that_was_never_tried_and_is_suspended(world: World) -> None:
    id_, token = world.marketplace.buy()
    world.journal.after("accounts.create", lost)
    with pytest.raises(Unavailable):
        world.process.activate(token)
    world.marketplace.sold[id_].become(SUSPENDED)
    assert world.process.follow(id_).after is SUSPENDED


# --- notices


def test_a_notice_of_a_known_operation_is_queued_in_its_session(world: World) -> None:
    account = world.customer()
    world.marketplace.suspend(SubscriptionId(account))
    told = world.marketplace.outbox[-1]
    received = world.process.receive_notice(Notice(told.id, told.subscription, "Forged"))
    assert received.operation == told
    (message,) = world.messages.take("lifecycle")
    assert (message.session, message.id) == (account, f"{told.id}|0")
    assert '"action": "Suspend"' in message.body


def test_a_notice_of_an_unknown_operation_is_not_believed(world: World) -> None:
    account = world.customer()
    notice = Notice("00000000-0000-4000-8000-00000000ffff", SubscriptionId(account), "Unsubscribe")
    assert world.process.receive_notice(notice).operation is None
    assert world.messages.take("lifecycle") == []
