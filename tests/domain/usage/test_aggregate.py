"""Aggregations, their defaults and doubts, and the conversion to units."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.ids import AccountCode, MeterCode
from shared.domain.money import ZERO
from shared.domain.usage.aggregate import (
    AggregationType,
    Rounding,
    UniqueDoubt,
    aggregate,
    doubt_of_unique,
    to_units,
)
from shared.domain.usage.event import DataValue, UsageEvent
from shared.domain.usage.partial import MAX_DISTINCT, Partial

USER = frozenset({"user"})


def event(number: int, **data: DataValue) -> UsageEvent:
    time = datetime(2026, 1, 1, 0, number % 60, tzinfo=UTC)
    return UsageEvent(f"e{number:06}", AccountCode("a"), MeterCode("m"), time, data)


def sample() -> Partial:
    partial = Partial()
    for number, tokens in enumerate(("4", "-2.5", "7", "1.000000001")):
        user = "ann" if number % 2 else "bob"
        partial.add(event(number, tokens=Decimal(tokens), user=user), USER)
    partial.add(event(9, user="eve"), USER)
    return partial


@pytest.mark.parametrize(
    ("kind", "field", "expected"),
    [
        pytest.param(AggregationType.SUM, "tokens", "9.500000001", id="sum"),
        pytest.param(AggregationType.MIN, "tokens", "-2.5", id="min"),
        pytest.param(AggregationType.MAX, "tokens", "7", id="max"),
        pytest.param(AggregationType.COUNT, None, "5", id="count-of-events"),
        pytest.param(AggregationType.COUNT, "tokens", "4", id="count-of-a-field"),
        pytest.param(AggregationType.COUNT, "user", "5", id="count-of-texts"),
        pytest.param(AggregationType.LATEST, "tokens", "1.000000001", id="latest"),
        pytest.param(AggregationType.MEAN, "tokens", "2.37500000025", id="mean"),
        pytest.param(AggregationType.UNIQUE, "user", "3", id="unique"),
        pytest.param(AggregationType.SUM, "other", "0", id="field-nobody-sent"),
    ],
)
def test_aggregate(kind: AggregationType, field: str | None, expected: str) -> None:
    assert aggregate(kind, sample(), field) == Decimal(expected)


@pytest.mark.parametrize("kind", AggregationType)
def test_no_events_give_the_default(kind: AggregationType) -> None:
    assert aggregate(kind, Partial(), "tokens") == ZERO
    assert aggregate(kind, Partial(), "tokens", default=Decimal(7)) == 7


def test_no_events_give_the_default_count_of_events() -> None:
    assert aggregate(AggregationType.COUNT, Partial(), None, default=Decimal(7)) == 7
    assert aggregate(AggregationType.COUNT, sample(), None, default=Decimal(7)) == 5


def test_the_default_is_not_for_a_measured_zero() -> None:
    partial = Partial()
    partial.add(event(1, tokens=ZERO))
    for kind in (AggregationType.SUM, AggregationType.MIN, AggregationType.LATEST):
        assert aggregate(kind, partial, "tokens", default=Decimal(7)) == ZERO


def test_a_mean_that_does_not_end_has_34_digits() -> None:
    partial = Partial()
    for number, tokens in enumerate((1, 0, 0)):
        partial.add(event(number, tokens=Decimal(tokens)))
    assert aggregate(AggregationType.MEAN, partial, "tokens") == Decimal("0." + "3" * 34)


@pytest.mark.parametrize("kind", [k for k in AggregationType if k is not AggregationType.COUNT])
def test_only_count_does_without_a_field(kind: AggregationType) -> None:
    with pytest.raises(InvalidInput, match=f"{kind} needs the data field"):
        aggregate(kind, sample(), None)


@pytest.mark.parametrize(
    "kind",
    [k for k in AggregationType if k not in (AggregationType.COUNT, AggregationType.UNIQUE)],
)
def test_texts_are_only_counted(kind: AggregationType) -> None:
    with pytest.raises(InvalidInput, match="user holds text"):
        aggregate(kind, sample(), "user")


def test_a_latest_text_after_numbers_is_refused() -> None:
    partial = Partial()
    partial.add(event(1, code=Decimal(5)))
    partial.add(event(2, code="five"))
    with pytest.raises(InvalidInput, match="code holds text"):
        aggregate(AggregationType.LATEST, partial, "code")


def test_unique_of_numbers_ignores_their_spelling() -> None:
    partial = Partial()
    codes: list[DataValue] = [Decimal(1), Decimal("1.0"), Decimal("1E0"), "1"]
    for number, code in enumerate(codes):
        partial.add(event(number, code=code), frozenset({"code"}))
    assert aggregate(AggregationType.UNIQUE, partial, "code") == 2


def test_unique_beyond_the_bound_still_counts_events_and_is_doubted() -> None:
    partial = Partial()
    for number in range(MAX_DISTINCT):
        partial.add(event(number, user=f"u{number}"), USER)
    partial.add(event(0, user="u0"), USER)
    assert doubt_of_unique(partial, "user") is None
    partial.add(event(1, user="one too many"), USER)
    assert doubt_of_unique(partial, "user") is UniqueDoubt.SATURATED
    assert aggregate(AggregationType.UNIQUE, partial, "user") == MAX_DISTINCT
    assert aggregate(AggregationType.COUNT, partial, "user") == MAX_DISTINCT + 2


def test_unique_over_events_of_before_it_was_wanted_is_doubted() -> None:
    partial = Partial()
    partial.add(event(1, user="ann"))
    assert doubt_of_unique(partial, "user") is UniqueDoubt.INCOMPLETE
    assert aggregate(AggregationType.UNIQUE, partial, "user") == ZERO
    partial.add(event(2, user="bob"), USER)
    assert doubt_of_unique(partial, "user") is UniqueDoubt.INCOMPLETE
    assert aggregate(AggregationType.UNIQUE, partial, "user") == 1
    assert doubt_of_unique(partial, "never sent") is None


@pytest.mark.parametrize(
    ("value", "per_unit", "up", "down", "nearest", "plain"),
    [
        pytest.param("0", "10", "0", "0", "0", "0", id="zero"),
        pytest.param("20", "10", "2", "2", "2", "2", id="whole"),
        pytest.param("25", "10", "3", "2", "3", "2.5", id="half"),
        pytest.param("24.999999999", "10", "3", "2", "2", "2.4999999999", id="below-half"),
        pytest.param("0.000000001", "1000", "1", "0", "0", "1E-12", id="a-trace"),
        pytest.param("-25", "10", "-2", "-3", "-3", "-2.5", id="negative-half"),
        pytest.param("-24", "10", "-2", "-3", "-2", "-2.4", id="negative"),
        pytest.param("1", "0.3", "4", "3", "3", "3." + "3" * 33, id="smaller-unit"),
    ],
)
def test_to_units(value: str, per_unit: str, up: str, down: str, nearest: str, plain: str) -> None:
    results = [to_units(Decimal(value), Decimal(per_unit), rounding) for rounding in Rounding]
    assert results == [Decimal(up), Decimal(down), Decimal(nearest), Decimal(plain)]


def test_a_remainder_beyond_34_digits_still_starts_a_unit() -> None:
    value, per_unit = Decimal("3000000000000000000000000.000000001"), Decimal("3000000")
    assert to_units(value, per_unit, Rounding.NONE) == Decimal(10) ** 18
    assert to_units(value, per_unit, Rounding.UP) == Decimal(10) ** 18 + 1


@pytest.mark.parametrize("per_unit", ["0", "-1"])
def test_the_quantity_per_unit_is_positive(per_unit: str) -> None:
    with pytest.raises(InvalidInput, match="must be positive"):
        to_units(Decimal(1), Decimal(per_unit), Rounding.NONE)


@given(
    value=st.decimals(-(10**12), 10**12, places=9),
    per_unit=st.decimals(Decimal("0.001"), 10**6, places=3),
)
def test_rounded_units_equal_rational_arithmetic(value: Decimal, per_unit: Decimal) -> None:
    exact = Fraction(value) / Fraction(per_unit)
    sign = 1 if exact >= 0 else -1
    assert to_units(value, per_unit, Rounding.UP) == ceil(exact)
    assert to_units(value, per_unit, Rounding.DOWN) == floor(exact)
    half_up = sign * floor(abs(exact) + Fraction(1, 2))
    assert to_units(value, per_unit, Rounding.NEAREST) == half_up
