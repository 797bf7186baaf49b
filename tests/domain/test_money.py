"""Rounding, the one spelling of a number, and the bounds of measured values."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import (
    CONTEXT,
    MAX_MAGNITUDE,
    fault_of_measure,
    floor_to,
    minor_digits,
    round_half_up,
    to_text,
)

D = Decimal


@pytest.mark.parametrize(
    ("amount", "digits", "rounded", "floored"),
    [
        ("0.005", 2, "0.01", "0.00"),
        ("0.0049999999999999999999999999999999", 2, "0.00", "0.00"),
        ("2.675", 2, "2.68", "2.67"),
        ("-0.005", 2, "-0.01", "-0.01"),
        ("1.4", 0, "1", "1"),
        ("1.5", 0, "2", "1"),
        ("1.0005", 3, "1.001", "1.000"),
        ("12", 2, "12.00", "12.00"),
    ],
)
def test_rounding_and_flooring(amount: str, digits: int, rounded: str, floored: str) -> None:
    assert str(round_half_up(D(amount), digits)) == rounded
    assert str(floor_to(D(amount), digits)) == floored


def test_minor_units() -> None:
    assert [minor_digits(code) for code in ("USD", "JPY", "KWD", "XXX")] == [2, 0, 3, 2]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0E+9", "0"),
        ("0.000", "0"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1E-9", "0.000000001"),
        ("-12.3400", "-12.34"),
    ],
)
def test_the_one_spelling(number: str, text: str) -> None:
    assert to_text(D(number)) == text


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**14),
                      max_value=10**14)  # fmt: skip


@given(NUMBERS)
def test_spelling_and_reading_give_the_number_back(number: Decimal) -> None:
    assert D(to_text(number)) == number
    assert to_text(D(to_text(number))) == to_text(number)


@given(NUMBERS, st.integers(0, 4))
def test_flooring_and_rounding_stay_close(amount: Decimal, digits: int) -> None:
    unit = D(1).scaleb(-digits)
    floored, rounded = floor_to(amount, digits), round_half_up(amount, digits)
    assert floored <= amount < floored + unit
    assert floored <= rounded <= floored + unit
    assert abs(rounded - amount) * 2 <= unit


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("0", None),
        ("-5", None),
        ("999999999999999.999999999", None),
        ("1E+15", "below"),
        ("-1E+15", "below"),
        ("1E+999", "below"),
        ("0.0000000001", "decimal places"),
        ("1E-999", "decimal places"),
        ("NaN", "finite"),
        ("sNaN", "finite"),
        ("-Infinity", "finite"),
    ],
)
def test_faults_of_a_measured_value(number: str, fault: str | None) -> None:
    found = fault_of_measure(D(number))
    assert (found is None) if fault is None else (found is not None and fault in found)


def test_sums_of_ten_billion_greatest_values_are_exact() -> None:
    greatest = MAX_MAGNITUDE - D("0.000000001")
    assert len(str(greatest * 10)) < CONTEXT.prec
    assert CONTEXT.multiply(greatest, D(10) ** 10) == greatest.scaleb(10)
