"""Numbers stay exact, times are read however they are written, odd entries are named."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AccountCode, DimensionId, Resource, SubscriptionId
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.metering.ledger import LedgerKey
from shared.domain.metering.submission import Submission
from shared.marketplace import convert

SUBSCRIPTION = SubscriptionId("c0ffee00-0000-4000-8000-000000000001")
HOUR = datetime(2026, 11, 22, 9, tzinfo=UTC)


def submission(quantity: Decimal, resource: str = SUBSCRIPTION) -> Submission:
    key = LedgerKey(Resource(resource), DimensionId("usage_fee"))
    return Submission(key, AccountCode("acme"), HOUR, HOUR, "standard", quantity)


@given(st.integers(1, 10**15 - 1), st.integers(-20, 14))
def test_every_quantity_that_passes_is_written_exactly(digits: int, exponent: int) -> None:
    quantity = Decimal(digits).scaleb(exponent)
    if convert.fault_of_quantity(quantity) is None:
        written = json.loads(
            convert.usage_json([submission(quantity)]), parse_float=Decimal, parse_int=Decimal
        )
        assert written["request"][0]["quantity"] == quantity


@pytest.mark.parametrize(
    "text", ["1", "5.0", "0.000000001", "999999999999999", "123456.789012345", "1E+3", "100.00"]
)
def test_a_quantity_of_usual_size_passes(text: str) -> None:
    assert convert.fault_of_quantity(Decimal(text)) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0", "not above 0"),
        ("-1", "not above 0"),
        ("NaN", "not above 0"),
        ("Infinity", "not above 0"),
        ("1E+15", "too large"),
        ("1E-15", "too small"),
        ("1234567890.123456", "more than 15 digits"),
    ],
)
def test_a_quantity_that_cannot_be_reported(text: str, fault: str) -> None:
    assert fault in (convert.fault_of_quantity(Decimal(text)) or "")


def test_a_usage_event_names_a_subscription_or_an_arm_resource_never_both() -> None:
    uri = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Solutions/applications/z"
    body = json.loads(
        convert.usage_json([submission(Decimal("5"), SUBSCRIPTION), submission(Decimal(5), uri)])
    )
    first, second = body["request"]
    assert first == {
        "resourceId": SUBSCRIPTION,
        "quantity": 5.0,
        "dimension": "usage_fee",
        "effectiveStartTime": "2026-11-22T09:00:00Z",
        "planId": "standard",
    }
    assert second["resourceUri"] == uri
    assert "resourceId" not in second


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:30:15",
        "2026-11-22T09:30:15Z",
        "2026-11-22T09:30:15.0Z",
        "2026-11-22T09:30:15.0000000",
        "2026-11-22T09:30:15.000000000+00:00",
        "2026-11-22T10:30:15+01:00",
    ],
)
def test_times_are_read_however_they_are_written(text: str) -> None:
    assert convert.time_of(text) == HOUR + timedelta(minutes=30, seconds=15)


@pytest.mark.parametrize(
    "value", [None, 5, "", "soon", "0001-01-01T00:00:00", "0001-01-01T00:00:00+02:00"]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert convert.time_of(value) is None


@pytest.mark.parametrize("value", [3, Decimal("3.0"), "3"])
def test_seats_are_read_however_they_are_written(value: object) -> None:
    assert convert.whole_of(value) == 3


@pytest.mark.parametrize("value", [None, "", True, Decimal("2.5"), "many", "9" * 5000, {}])
def test_what_is_no_number_of_seats_is_none(value: object) -> None:
    assert convert.whole_of(value) is None


def test_a_number_of_monstrous_size_is_none() -> None:
    assert convert.decimal_of(convert.parse_json("1e400000000")) is None
    assert convert.decimal_of(convert.parse_json("1e-400000000")) is None


FULL = {
    "id": SUBSCRIPTION.upper(),
    "name": "Acme",
    "offerId": "contoso-ai",
    "planId": "standard",
    "quantity": "",
    "saasSubscriptionStatus": "Subscribed",
    "term": {
        "startDate": "2026-11-01T00:00:00Z",
        "endDate": "2026-11-30T00:00:00Z",
        "termUnit": "P1M",
    },
    "purchaser": {"emailId": "p@x.example", "tenantId": "t1"},
    "beneficiary": {"emailId": "b@x.example", "tenantId": "t2"},
    "unheardOf": [1],
}


def test_a_subscription_is_read() -> None:
    read = convert.subscription_of(FULL)
    assert (read.id, read.name, read.offer, read.plan, read.quantity) == (
        SUBSCRIPTION,
        "Acme",
        "contoso-ai",
        "standard",
        None,
    )
    assert read.status is SubscriptionStatus.SUBSCRIBED
    assert (read.term_start, read.term_end, read.term_unit) == (
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 11, 30, tzinfo=UTC),
        "P1M",
    )
    assert (read.purchaser_email, read.beneficiary_tenant) == ("p@x.example", "t2")


@pytest.mark.parametrize("lost", ["name", "offerId", "quantity", "term", "purchaser"])
def test_a_subscription_is_read_without_what_it_can_lack(lost: str) -> None:
    shape = {name: value for name, value in FULL.items() if name != lost}
    assert convert.subscription_of(shape).id == SUBSCRIPTION


@pytest.mark.parametrize(
    "shape",
    [
        None,
        [],
        {},
        {**FULL, "id": "../operations"},
        {**FULL, "id": None},
        {**FULL, "saasSubscriptionStatus": "Dreaming"},
        {**FULL, "planId": ""},
    ],
)
def test_a_subscription_that_cannot_be_read_is_named_without_its_contents(shape: object) -> None:
    with pytest.raises(convert.NotReadable) as caught:
        convert.subscription_of(shape)
    assert "x.example" not in str(caught.value)


def test_a_plan_is_read_with_included_units_that_are_text() -> None:
    shape = {
        "planId": "seats",
        "displayName": "Seats",
        "isPrivate": True,
        "planComponents": {
            "recurrentBillingTerms": [
                {
                    "currency": "USD",
                    "price": Decimal("500.10"),
                    "termUnit": "P1M",
                    "meteredQuantityIncluded": [
                        {"dimensionId": "t1", "units": "100.5"},
                        {"dimensionId": "t2", "units": 7},
                        {"dimensionId": "t3", "units": "plenty"},
                        {"dimensionId": "t4"},
                    ],
                }
            ],
            "meteringDimensions": [
                {"id": "t1", "currency": "USD", "pricePerUnit": 4, "unitOfMeasure": "seat"}
            ],
        },
        "sourceOffers": [{"externalId": "offer-1"}],
    }
    plan = convert.available_plan_of(shape)
    assert (plan.id, plan.name, plan.private, plan.free_trial) == ("seats", "Seats", True, False)
    assert plan.terms[0].included == {"t1": Decimal("100.5"), "t2": Decimal(7)}
    assert plan.terms[0].price == Decimal("500.10")
    assert plan.dimensions[0].price == Decimal(4)
    assert plan.source_offers == ("offer-1",)
