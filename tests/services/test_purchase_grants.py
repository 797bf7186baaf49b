"""What comes with a purchase: credits and prepayments before the plan, charges by it, all once."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.catalog.charges import Due, Milestone, Recurrence, Recurring, Upfront
from shared.domain.catalog.purchase_grants import PurchaseCredit, PurchasePrepayment
from shared.domain.catalog.validation import faults_of
from shared.domain.errors import Unavailable
from shared.domain.grants import Credit, Prepayment
from shared.domain.ids import AccountCode, ProductCode, SubscriptionId
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.period import DAY, HOUR
from tests.fakes.marketplace import LoseRequest
from tests.services.taps import Call
from tests.services.world import BASIC, START, TIERED, World, catalog_of

MINUTE = timedelta(minutes=1)
WELCOME = PurchaseCredit("welcome", Decimal(5), days=30, description="Welcome")
COMMITMENT = PurchasePrepayment("year", Decimal(2), 365, overage_surcharge_percent=Decimal(0))
GENEROUS = replace(
    BASIC,
    credits=(WELCOME,),
    prepayments=(COMMITMENT,),
    charges=(
        Upfront("setup", Due(Decimal(7))),
        Recurring("support", Due(Decimal(1)), Recurrence.DAILY),
        Milestone("training", Due(Decimal(3)), after_days=2),
    ),
)
CATALOG = catalog_of(GENEROUS, TIERED)


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def world_with_purchase() -> tuple[World, SubscriptionId, str]:
    world = World(catalog=CATALOG)
    world.clock.advance(20 * MINUTE)
    id_, token = world.marketplace.buy("standard")
    return world, id_, token


def given(world: World, id_: str) -> list[tuple[str, Decimal, datetime]]:
    record = world.record(AccountCode(id_))
    grants: tuple[Prepayment | Credit, ...] = (*record.prepayments, *record.credits)
    return [(grant.id, grant.amount, grant.start) for grant in grants]


def test_a_purchase_comes_with_what_its_plan_says() -> None:
    world, id_, token = world_with_purchase()
    record = world.process.activate(token)
    (credit,), (prepayment,) = record.credits, record.prepayments
    assert (credit.id, credit.start, credit.end) == (f"{id_}.welcome", START, START + 30 * DAY)
    assert (str(credit.amount), credit.description) == ("5", "Welcome")
    assert (prepayment.id, prepayment.end) == (f"{id_}.year", START + 365 * DAY)
    audited = [(e.action, e.detail["amount"]) for e in world.trail.of(id_) if "amount" in e.detail]
    assert audited == [("prepayment.create", "2"), ("credit.create", "5")]


def test_no_moment_has_the_plan_without_its_credits() -> None:
    world, id_, token = world_with_purchase()
    seen: list[tuple[int, int]] = []

    def look(_: Call) -> None:
        stored = world.accounts.load(AccountCode(id_))
        if stored is not None:
            seen.append((len(stored.value.credits), len(stored.value.plans)))

    world.journal.always = look
    world.process.activate(token)
    assert set(seen) == {(0, 0), (1, 1)}


def calls_of_a_set_up() -> list[tuple[str, int]]:
    """Every call, by name and how often it was made before."""
    world, _, token = world_with_purchase()
    world.journal.forget()
    world.process.activate(token)
    names = [call.name for call in world.journal.calls]
    return [(name, names[:at].count(name) + 1) for at, name in enumerate(names)]


CALLS = calls_of_a_set_up()


@pytest.mark.parametrize("later", [timedelta(), 2 * HOUR, 20 * DAY], ids=["soon", "late", "weeks"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("name", "nth"), CALLS, ids=[f"{name}-{nth}" for name, nth in CALLS])
def test_after_a_crash_at_any_step_everything_is_there_once(
    name: str, nth: int, after: bool, later: timedelta
) -> None:
    world, id_, token = world_with_purchase()
    (world.journal.after if after else world.journal.before)(name, lost, nth)
    with pytest.raises(Unavailable):
        world.process.activate(token)
    world.clock.advance(later)
    world.process = world.boot()
    world.process.activate(world.marketplace.token(id_))
    sold = world.record(AccountCode(id_)).subscription
    assert sold is not None
    assert sold.status is SubscriptionStatus.SUBSCRIBED
    assert sold.start is not None
    begun = sold.start.replace(minute=0)
    assert given(world, id_) == [
        (f"{id_}.year", Decimal(2), begun),
        (f"{id_}.welcome", Decimal(5), begun),
    ]
    assert len(world.record(AccountCode(id_)).plans) == 1


def test_charges_and_credits_meet_on_the_bill() -> None:
    """Usage 10, set-up 7, support 1 a day, training 3; less 2 prepaid and 5 given."""
    world, id_, token = world_with_purchase()
    world.process.activate(token)
    world.clock.advance(MINUTE)
    world.use(id_, 1000)
    world.next_run()
    assert world.billed(AccountCode(id_)) == (10 + 7 + 1 - 2 - 5) * 100
    world.next_run(48)
    assert world.billed(AccountCode(id_)) == (10 + 7 + 3 + 3 - 2 - 5) * 100


def test_nothing_is_given_twice_by_adoption_or_a_change_of_plan() -> None:
    world, id_, _ = world_with_purchase()
    world.marketplace.activate(id_, "standard", None)
    world.process.adopt(id_, None, "me")
    once = given(world, id_)
    assert [amount for _, amount, _ in once] == [2, 5]
    world.process.adopt(id_, None, "me")
    for plan in ("scale", "standard"):
        world.clock.advance(HOUR)
        world.marketplace.finish(world.marketplace.ask_for_plan(id_, plan), world.clock.now())
        assert world.process.follow(id_).changed
    assert given(world, id_) == once


def test_what_people_gave_stays_beside_it() -> None:
    world, id_, token = world_with_purchase()
    world.marketplace.faults.extend([None, LoseRequest()])
    with pytest.raises(Unavailable):
        world.process.activate(token)
    (own,) = world.record(AccountCode(id_)).credits
    world.change(AccountCode(id_), credits=(replace(own, id="credit-of-people"), own))
    world.clock.advance(DAY)
    record = world.process.activate(token)
    starts = {credit.id: credit.start for credit in record.credits}
    assert starts == {"credit-of-people": START, f"{id_}.welcome": START + DAY}


def test_a_catalogue_with_impossible_grants_is_refused() -> None:
    odd = replace(
        GENEROUS,
        credits=(
            PurchaseCredit("a", Decimal(0), days=0, priority=-1),
            PurchaseCredit("a", Decimal(1), description="x" * 501),
        ),
        prepayments=(
            PurchasePrepayment("b", Decimal(1), overage_surcharge_percent=Decimal(-101)),
            PurchasePrepayment("a", Decimal(1), products=(ProductCode("ia"),)),
        ),
    )
    found = {fault.pointer for fault in faults_of(catalog_of(odd))}
    assert found >= {
        "/plans/0/credits/0/amount",
        "/plans/0/credits/0/days",
        "/plans/0/credits/0/priority",
        "/plans/0/credits/1/code",
        "/plans/0/credits/1/description",
        "/plans/0/prepayments/0/overageSurchargePercent",
        "/plans/0/prepayments/1/code",
        "/plans/0/prepayments/1/products/0",
    }
    many = tuple(PurchaseCredit(f"c{n}", Decimal(1)) for n in range(21))
    faults = faults_of(catalog_of(replace(GENEROUS, credits=many)))
    assert [fault.pointer for fault in faults] == ["/plans/0/credits"]
    assert faults_of(CATALOG) == ()
