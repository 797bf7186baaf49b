"""Whose purchase it is, what the landing page asks, and which changes are taken."""

from dataclasses import replace

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.buyer import PERSONAL, Buyer, may_activate
from shared.domain.lifecycle.landing import LandingField, answers_of, parse_fields
from shared.domain.lifecycle.operation import Decision, Operation, decide
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import SubscriptionStatus

T1, T2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ADA, BOB = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"


def bought(**people: str) -> MarketplaceSubscription:
    sold = MarketplaceSubscription(
        SubscriptionId("s"), "", "offer", "plan", SubscriptionStatus.PENDING
    )
    return replace(sold, **people)  # type: ignore[arg-type]  # the names are the test's


BENEFICIARY = {
    "beneficiary_tenant": T1,
    "beneficiary_id": ADA,
    "beneficiary_email": "ada@c.example",
}


@pytest.mark.parametrize(
    ("buyer", "people", "may"),
    [
        pytest.param(Buyer(T1, ADA), BENEFICIARY, True, id="the-beneficiary"),
        pytest.param(Buyer(T1, BOB), BENEFICIARY, True, id="a-colleague"),
        pytest.param(Buyer(T2, ADA), BENEFICIARY, False, id="same-object-id-elsewhere"),
        pytest.param(Buyer(T2, BOB, "ada@c.example"), BENEFICIARY, False, id="only-the-email"),
        pytest.param(
            Buyer(T2, BOB), {**BENEFICIARY, "purchaser_tenant": T2, "purchaser_id": BOB}, True,
            id="the-purchaser",
        ),
        pytest.param(
            Buyer(T2, ADA), {**BENEFICIARY, "purchaser_tenant": T2, "purchaser_id": BOB}, False,
            id="a-colleague-of-the-purchaser",
        ),
        pytest.param(
            Buyer(PERSONAL, BOB), {**BENEFICIARY, "beneficiary_tenant": PERSONAL}, False,
            id="another-personal-account",
        ),
        pytest.param(
            Buyer(PERSONAL, ADA), {**BENEFICIARY, "beneficiary_tenant": PERSONAL}, True,
            id="the-personal-account",
        ),
        pytest.param(
            Buyer(T1, BOB, "ADA@c.example"), {"beneficiary_email": "ada@c.example"}, True,
            id="only-an-email-is-known",
        ),
        pytest.param(Buyer(T1, BOB), {"beneficiary_email": "ada@c.example"}, False, id="no-email"),
        pytest.param(Buyer(T1, BOB), {}, True, id="nobody-is-named"),
        pytest.param(Buyer(T1, ADA), {"beneficiary_tenant": T1.upper()}, True, id="upper-case"),
    ],
)  # fmt: skip
def test_who_may_activate(buyer: Buyer, people: dict[str, str], *, may: bool) -> None:
    assert may_activate(buyer, bought(**people)) is may


def test_a_buyer_shows_no_personal_data() -> None:
    assert "ada" not in repr(Buyer(T1, BOB, "ada@c.example", "ada"))


def test_fields_from_one_line() -> None:
    assert parse_fields(" company = Company ;po*=Purchase order; ") == (
        LandingField("company", "Company"),
        LandingField("po", "Purchase order", required=True),
    )
    assert parse_fields("") == ()


@pytest.mark.parametrize("text", ["company", "=Label", "a b=Label", "a=", "a=A;a=B"])
def test_bad_fields(text: str) -> None:
    with pytest.raises(ValueError, match=r"name=Label|each name once"):
        parse_fields(text)


def test_answers() -> None:
    fields = parse_fields("company=Company;po*=Purchase order")
    form = {"field-po": "  4711 \n x", "field-company": " ", "field-evil": "1", "po": "2"}
    assert answers_of(fields, form) == {"po": "4711 x"}
    with pytest.raises(InvalidInput) as caught:
        answers_of(fields, {"field-company": "x" * 501})
    assert [fault.pointer for fault in caught.value.fields] == ["/company", "/po"]


@pytest.mark.parametrize(
    ("action", "quantity", "priced", "accepted"),
    [
        ("ChangePlan", None, True, True),
        ("ChangePlan", None, False, False),
        ("ChangeQuantity", 1, False, True),
        ("ChangeQuantity", 10, True, True),
        ("ChangeQuantity", 11, True, False),
        ("ChangeQuantity", 0, True, False),
        ("ChangeQuantity", None, True, False),
        ("Reinstate", None, False, True),
    ],
)
def test_decisions(action: str, quantity: int | None, *, priced: bool, accepted: bool) -> None:
    operation = Operation("o", SubscriptionId("s"), action, "InProgress", "gold", quantity)
    decision = decide(operation, priced=priced, max_quantity=10)
    assert decision is not None
    assert decision.accepted is accepted
    assert bool(decision.reason) is not accepted


@pytest.mark.parametrize("action", ["Renew", "Suspend", "Unsubscribe", "Subscribe", ""])
def test_notices_need_no_decision(action: str) -> None:
    operation = Operation("o", SubscriptionId("s"), action, "Succeeded")
    assert decide(operation, priced=False, max_quantity=1) is None
    assert Decision(True).reason == ""
