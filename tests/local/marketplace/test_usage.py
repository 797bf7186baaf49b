"""The rules of usage events, without HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.marketplace import defaults
from local.marketplace.options import OldAccepted, Options
from local.marketplace.register import Ids
from local.marketplace.reports import DayKey, Ruling, by_day
from local.marketplace.state import Marketplace, Purchase
from local.marketplace.subscription import Person
from local.marketplace.usage import Accepted, Duplicate, Outcome, Rejected, UsageBook, Verdict
from tests.local.marketplace.site import Json, event

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUYER = Person("buyer@customer.example", "user", "tenant")
ARM = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Solutions/applications/App"


class Shop:
    """A market with one subscription, activated ten days ago, and a usage book."""

    def __init__(self, plan_id: str = "standard", **order: object) -> None:
        self.market = Marketplace(defaults.offers(), 7, BUYER)
        self.book = UsageBook(Ids(8))
        self.options = Options()
        long_ago = NOW - timedelta(days=10)
        bought, _ = self.market.purchase(
            Purchase(offer_id=defaults.OFFER, plan_id=plan_id, **order),  # type: ignore[arg-type]  # free keywords of a test
            long_ago,
        )
        self.id = bought.id
        if not order.get("foreign"):
            self.market.activate(bought.id, plan_id, None, long_ago)

    def send(self, item: object, now: datetime = NOW) -> Outcome:
        """Submit one event."""
        return self.book.submit(item, self.market, self.options, now)

    def event(self, back: timedelta = HOUR, **other: object) -> Json:
        """An event some time before NOW."""
        return event(self.id, NOW - back, **other)


def verdict(outcome: Outcome) -> str:
    """The batch status an outcome stands for."""
    match outcome:
        case Accepted():
            return "Accepted"
        case Duplicate():
            return "Duplicate"
        case Rejected(found):
            return found.value


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param({}, "Accepted", id="plain"),
        pytest.param({"quantity": Decimal("0.000000001")}, "Accepted", id="tiny"),
        pytest.param({"quantity": 0}, "InvalidQuantity", id="zero"),
        pytest.param({"quantity": Decimal("-1.5")}, "InvalidQuantity", id="negative"),
        pytest.param({"quantity": "1"}, "BadArgument", id="quantity-is-text"),
        pytest.param({"quantity": True}, "BadArgument", id="quantity-is-boolean"),
        pytest.param({"quantity": Decimal("1E+999999")}, "BadArgument", id="quantity-is-absurd"),
        pytest.param({"quantity": None}, "BadArgument", id="no-quantity"),
        pytest.param({"dimension": None}, "BadArgument", id="no-dimension"),
        pytest.param({"dimension": "t1"}, "InvalidDimension", id="dimension-of-another-plan"),
        pytest.param({"planId": "seats"}, "InvalidDimension", id="plan-without-the-dimension"),
        pytest.param({"planId": "none"}, "BadArgument", id="no-such-plan"),
        pytest.param({"planId": " "}, "BadArgument", id="blank-plan"),
        pytest.param({"resourceId": None}, "BadArgument", id="no-resource"),
        pytest.param({"resourceUri": ARM}, "BadArgument", id="both-resources"),
        pytest.param({"resourceId": "00000000"}, "ResourceNotFound", id="unknown-resource"),
        pytest.param(
            {"resourceId": None, "resourceUri": ARM}, "ResourceNotFound", id="unknown-uri"
        ),
        pytest.param({"effectiveStartTime": "yesterday"}, "BadArgument", id="no-time"),
        pytest.param({"effectiveStartTime": "2026-03-14"}, "BadArgument", id="date-only"),
        pytest.param({"effectiveStartTime": "2026-03-14T15:09:27"}, "Expired", id="future"),
        pytest.param({"effectiveStartTime": "2026-03-14T15:09:26"}, "Accepted", id="this-moment"),
        pytest.param({"effectiveStartTime": "2026-03-13T15:09:26Z"}, "Accepted", id="24-hours"),
        pytest.param({"effectiveStartTime": "2026-03-13T15:09:25Z"}, "Expired", id="older"),
        pytest.param(
            {"effectiveStartTime": "2026-03-14T17:09:26+02:00"}, "Accepted", id="other-zone"
        ),
    ],
)
def test_one_event(other: Json, expected: str) -> None:
    shop = Shop()
    assert verdict(shop.send(shop.event(**other))) == expected
    assert len(list(shop.book)) == (expected == "Accepted")


@pytest.mark.parametrize("item", [None, 3, "text", [], {}])
def test_anything_else_is_a_bad_argument(item: object) -> None:
    assert verdict(Shop().send(item)) == "BadArgument"


def test_all_faults_are_told_at_once() -> None:
    outcome = Shop().send({"quantity": "x"})
    assert isinstance(outcome, Rejected)
    assert [problem.target for problem in outcome.problems] == [
        "ResourceId",
        "Dimension",
        "PlanId",
        "Quantity",
        "EffectiveStartTime",
    ]


def test_the_first_event_of_an_hour_wins() -> None:
    shop = Shop()
    shop.send(event(shop.id, "2026-03-14T14:00:00", quantity=Decimal("1.10")))
    again = shop.send(event(shop.id, "2026-03-14T14:59:59.9Z", quantity=Decimal(5)))
    assert isinstance(again, Duplicate)
    assert again.record.usage.quantity == Decimal("1.10")
    assert verdict(shop.send(event(shop.id, "2026-03-14T13:59:59.999999"))) == "Accepted"
    assert verdict(shop.send(event(shop.id, "2026-03-14T15:00:00"))) == "Accepted"


def test_another_plan_does_not_open_the_hour_again() -> None:
    shop = Shop()
    shop.send(shop.event())
    assert verdict(shop.send(shop.event(planId="scale"))) == "Duplicate"


def test_dimensions_have_hours_of_their_own() -> None:
    shop = Shop("seats")
    assert verdict(shop.send(shop.event(planId="seats", dimension="t1"))) == "Accepted"
    assert verdict(shop.send(shop.event(planId="seats", dimension="t2"))) == "Accepted"


def test_a_managed_application_is_one_resource_under_both_names() -> None:
    shop = Shop()
    order = Purchase(offer_id=defaults.MANAGED_OFFER, plan_id="appliance", resource_uri=ARM)
    managed, _ = shop.market.purchase(order, NOW - timedelta(days=2))
    by_uri: Json = {"resourceId": None, "resourceUri": ARM.upper(), "planId": "appliance"}
    assert verdict(shop.send(shop.event(**by_uri))) == "Accepted"
    assert verdict(shop.send(shop.event(resourceId=managed.id, planId="appliance"))) == "Duplicate"


@pytest.mark.parametrize(
    ("option", "expected"), [(OldAccepted.EXPIRED, "Expired"), (OldAccepted.DUPLICATE, "Duplicate")]
)
def test_an_accepted_hour_that_grew_old(option: OldAccepted, expected: str) -> None:
    shop = Shop()
    shop.options = Options(old_accepted=option)
    item = shop.event()
    shop.send(item)
    later = NOW + timedelta(hours=24)
    assert verdict(shop.send(item, later)) == expected
    assert verdict(shop.send(shop.event(timedelta(hours=2)), later)) == "Expired"


def test_a_future_time_in_a_taken_hour_is_expired_whatever_the_option() -> None:
    shop = Shop()
    shop.options = Options(old_accepted=OldAccepted.DUPLICATE)
    shop.send(event(shop.id, "2026-03-14T15:00:00"))
    assert verdict(shop.send(event(shop.id, "2026-03-14T15:30:00"))) == "Expired"


def test_suspended_takes_nothing_and_reinstated_takes_everything_again() -> None:
    shop = Shop()
    shop.market.suspend(shop.id, NOW)
    assert verdict(shop.send(shop.event())) == "ResourceNotActive"
    operation = shop.market.reinstate(shop.id, NOW)
    assert verdict(shop.send(shop.event())) == "ResourceNotActive"
    shop.market.answer(shop.id, operation.id, success=True, now=NOW)
    assert verdict(shop.send(shop.event())) == "Accepted"


def test_after_the_end_only_earlier_usage_and_only_for_24_hours() -> None:
    shop = Shop()
    shop.market.unsubscribe(shop.id, NOW)
    later = NOW + timedelta(hours=2)
    assert verdict(shop.send(event(shop.id, NOW + HOUR), later)) == "ResourceNotActive"
    assert verdict(shop.send(event(shop.id, NOW), later)) == "ResourceNotActive"
    assert verdict(shop.send(event(shop.id, NOW - timedelta(seconds=1)), later)) == "Accepted"
    assert verdict(shop.send(shop.event(timedelta(hours=3)), NOW + timedelta(hours=21))) == (
        "Accepted"
    )
    assert verdict(shop.send(shop.event(HOUR), NOW + timedelta(hours=24))) == "Expired"


def test_never_activated() -> None:
    shop = Shop()
    order = Purchase(offer_id=defaults.OFFER, plan_id="standard")
    pending, _ = shop.market.purchase(order, NOW - timedelta(days=1))
    assert verdict(shop.send(event(pending.id, NOW))) == "ResourceNotActive"


@pytest.mark.parametrize(
    ("allowed", "expected"), [(False, "ResourceNotActive"), (True, "Accepted")]
)
def test_hours_before_activation(allowed: bool, expected: str) -> None:
    shop = Shop()
    shop.options = Options(usage_before_activation=allowed)
    order = Purchase(offer_id=defaults.OFFER, plan_id="standard")
    young, _ = shop.market.purchase(order, NOW - 3 * HOUR)
    shop.market.activate(young.id, "standard", None, NOW)
    assert verdict(shop.send(event(young.id, "2026-03-14T14:30:00"))) == expected
    assert verdict(shop.send(event(young.id, "2026-03-14T15:00:00"))) == "Accepted"


def test_resources_that_are_not_ours_or_not_yet() -> None:
    assert verdict((shop := Shop(foreign=True)).send(shop.event())) == "ResourceNotAuthorized"
    fresh = Shop(not_authorized_for_seconds=10 * 86400 + 60)
    assert verdict(fresh.send(fresh.event())) == "ResourceNotAuthorized"
    assert verdict(fresh.send(fresh.event(), NOW + timedelta(seconds=60))) == "Accepted"


def test_the_plan_in_force_can_be_demanded() -> None:
    shop = Shop()
    change = shop.market.change_plan(shop.id, "scale", NOW - 2 * HOUR, "Azure")
    shop.market.answer(shop.id, change.id, success=True, now=NOW - 2 * HOUR)
    shop.options = Options(plan_in_force=True)
    assert verdict(shop.send(shop.event(HOUR))) == "BadArgument"
    assert verdict(shop.send(shop.event(HOUR, planId="scale"))) == "Accepted"
    assert verdict(shop.send(shop.event(2 * HOUR))) == "Accepted"
    assert verdict(shop.send(shop.event(4 * HOUR, planId="scale"))) == "BadArgument"


minutes = st.integers(min_value=-90, max_value=26 * 60)
quantities = st.decimals(min_value=Decimal("0.01"), max_value=1000, places=2)


@given(st.lists(st.tuples(minutes, quantities), max_size=60), st.integers(0, 30 * 60))
def test_one_event_an_hour_whatever_is_sent(sent: list[tuple[int, Decimal]], passing: int) -> None:
    """First wins, nothing outside the window enters, totals are the sum of what was accepted."""
    shop = Shop()
    first: dict[datetime, Decimal] = {}
    for index, (back, quantity) in enumerate(sent):
        now = NOW + timedelta(minutes=passing) * index / max(1, len(sent))
        time = NOW - timedelta(minutes=back)
        hour = time.replace(minute=0, second=0, microsecond=0)
        outcome = shop.send(event(shop.id, time, quantity=quantity), now)
        if not now - timedelta(hours=24) <= time <= now:
            assert verdict(outcome) == Verdict.EXPIRED
        elif hour in first:
            assert isinstance(outcome, Duplicate)
            assert outcome.record.usage.quantity == first[hour]
        else:
            assert isinstance(outcome, Accepted)
            first[hour] = quantity
    assert {record.usage.hour: record.usage.quantity for record in shop.book} == first
    if first:
        expected = (sum(first.values()), len(first))
        assert shop.book.totals() == {(shop.id, "usage_fee"): expected}


def test_usage_is_reported_by_day_when_the_options_say_so() -> None:
    shop = Shop()
    for back in (HOUR, 2 * HOUR, 20 * HOUR):
        shop.send(shop.event(back, quantity=Decimal("1.5")))
    rows = by_day(shop.book, shop.options, {}, NOW)
    assert [(row.key.day.day, row.submitted, row.processed, row.count) for row in rows] == [
        (13, Decimal("1.5"), Decimal("1.5"), 1),
        (14, Decimal("3.0"), Decimal("3.0"), 2),
    ]
    late = Options(report_delay_seconds=60, recon_delay_seconds=120)
    assert by_day(shop.book, late, {}, NOW + timedelta(seconds=59)) == []
    submitted = by_day(shop.book, late, {}, NOW + timedelta(seconds=60))
    assert {(row.recon_status, row.processed) for row in submitted} == {("Submitted", Decimal(0))}
    matched = by_day(shop.book, late, {}, NOW + timedelta(seconds=120))
    assert {row.recon_status for row in matched} == {"Accepted"}


def test_a_ruling_changes_one_row_only() -> None:
    shop = Shop()
    shop.send(shop.event(HOUR))
    shop.send(shop.event(20 * HOUR))
    key = DayKey(datetime(2026, 3, 14, tzinfo=UTC), shop.id, "usage_fee", "standard")
    rows = by_day(shop.book, shop.options, {key: Ruling("Mismatch", Decimal("0.4"))}, NOW)
    assert [(row.recon_status, row.processed) for row in rows] == [
        ("Accepted", Decimal("1.0")),
        ("Mismatch", Decimal("0.4")),
    ]
    assert replace(rows[1].key, plan_id="x") != key
