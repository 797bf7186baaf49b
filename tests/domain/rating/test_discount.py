"""The order of charges around a price, step by step."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from shared.domain.rating.charge import Band
from shared.domain.rating.custom import Custom, CustomInput
from shared.domain.rating.discount import LineTerms, Overage, price_line, surcharge_on
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage, PercentageInput, Share
from shared.domain.rating.tiered import Tiered

D = Decimal

UNIT = PerUnit(D(2))


def test_every_step_in_order() -> None:
    terms = LineTerms(
        usage_discount=D(10),
        included=D(20),
        overage=Overage(D(50), PerUnit(D(4)), D(10)),
        percent_discount=D(50),
        maximum=D(90),
        minimum=D(95),
    )
    line = price_line(UNIT, D(100), terms)
    assert (line.quantity, line.after_usage_discount, line.billable) == (D(100), D(90), D(70))
    assert line.base.amount == 100
    assert line.overage is not None
    assert (line.overage.amount, line.surcharge) == (D(80), D(8))
    assert (line.gross, line.after_discount, line.after_maximum) == (D(188), D(94), D(90))
    assert (line.top_up, line.amount) == (D(5), D(95))


def test_without_terms_the_line_is_the_charge() -> None:
    line = price_line(UNIT, D(7))
    assert (line.billable, line.gross, line.amount, line.top_up) == (D(7), D(14), D(14), D(0))


def test_top_up_waits_for_the_period_to_close() -> None:
    terms = LineTerms(minimum=D(100))
    assert price_line(UNIT, D(7), terms, closing=False).amount == 14
    assert price_line(UNIT, D(7), terms, closing=True).top_up == 86


BEYOND = [("below", "49", "98"), ("at", "50", "100"), ("above", "50.5", "102.5")]


@pytest.mark.parametrize(("q", "amount"), [pytest.param(*row[1:], id=row[0]) for row in BEYOND])
def test_overage_begins_beyond_the_committed_quantity(q: str, amount: str) -> None:
    bands = (Band(D(3), D(10), D(1)), Band(D(9)))
    terms = LineTerms(overage=Overage(D(50), Tiered(bands)))
    assert price_line(UNIT, D(q), terms).amount == D(amount)


def test_overage_bands_begin_at_zero_beyond() -> None:
    bands = (Band(D(3), D(10)), Band(D(9)))
    line = price_line(UNIT, D(62), LineTerms(overage=Overage(D(50), Tiered(bands))))
    assert line.overage is not None
    assert [use.units for use in line.overage.bands] == [10, 2]


SURCHARGES = [("dearer", "10", "8"), ("cheaper", "-25", "-20"), ("free", "-100", "-80")]


@pytest.mark.parametrize(
    ("percent", "more"), [pytest.param(*row[1:], id=row[0]) for row in SURCHARGES]
)
def test_surcharge(percent: str, more: str) -> None:
    assert surcharge_on(D(80), D(percent)) == D(more)


def test_quantity_below_zero_is_shown_and_costs_nothing() -> None:
    line = price_line(UNIT, D(-5), LineTerms(included=D(3)))
    assert (line.quantity, line.billable, line.amount) == (D(-5), D(0), D(0))


def test_units_of_a_percentage_are_its_measured_value() -> None:
    model = Percentage((Share(D(10)),), fixed_per_event=D(1))
    line = price_line(model, PercentageInput(D(100), 3), LineTerms(D(10), D(20)))
    assert (line.quantity, line.billable, line.amount) == (D(100), D(70), D(10))


def test_custom_price_takes_amounts_off_but_no_units() -> None:
    usage = CustomInput(D(3), D(10), "a", datetime(2026, 5, 1, tzinfo=UTC))
    line = price_line(Custom(), usage, LineTerms(D(1), D(1), percent_discount=D(20)))
    assert (line.billable, line.gross, line.amount) == (D(3), D(10), D(8))


def test_wire_round_trip() -> None:
    adapter = TypeAdapter(LineTerms)
    terms = LineTerms(D(1), D(2), Overage(D(3), UNIT, D(-5)), D(4), D(9), D(8))
    document = adapter.dump_python(terms, mode="json", by_alias=True)
    assert document["overage"]["charge"]["model"] == "PER_UNIT"
    assert adapter.validate_python(document) == terms
