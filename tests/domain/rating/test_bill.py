"""The total of a period: floored while open, rounded line by line at its end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AggregationCode, PlanCode
from shared.domain.period import Period
from shared.domain.rating.bill import LineItem, PeriodBill, PeriodRecord, record_key

T = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)


def bill(*amounts: str | Decimal, ended: bool, digits: int = 2) -> PeriodBill:
    lines = tuple(
        LineItem(AggregationCode("a"), "", "", Decimal(1), Decimal(amount)) for amount in amounts
    )
    window = Period(T, T + timedelta(days=31))
    return PeriodBill("p1", PlanCode("basic"), window, lines, ended, 7, digits)


@pytest.mark.parametrize(
    ("amounts", "running", "final"),
    [
        ((), "0", "0"),
        (("1.005",), "1.00", "1.01"),
        (("0.005", "0.005"), "0.00", "0.02"),
        (("0.004", "0.004"), "0.00", "0.00"),
        (("0.999", "0.001"), "0.99", "1.00"),
    ],
)
def test_each_line_is_rounded_by_itself(amounts: tuple[str, ...], running: str, final: str) -> None:
    assert bill(*amounts, ended=False).total == Decimal(running)
    assert bill(*amounts, ended=True).total == Decimal(final)


def test_the_smallest_unit_is_the_currencys() -> None:
    assert bill("1.5", ended=True, digits=0).total == 2
    assert bill("1.0005", ended=True, digits=3).total == Decimal("1.001")


AMOUNTS = st.lists(st.decimals(0, 10**6, places=6), max_size=5)


@given(AMOUNTS)
def test_the_end_never_takes_anything_back(amounts: list[Decimal]) -> None:
    assert bill(*amounts, ended=False).total <= bill(*amounts, ended=True).total


@given(AMOUNTS, st.lists(st.decimals(0, 10, places=6), min_size=5, max_size=5), st.booleans())
def test_growing_lines_never_lower_the_total(
    amounts: list[Decimal], more: list[Decimal], ended: bool
) -> None:
    grown = [amount + extra for amount, extra in zip(amounts, more, strict=False)]
    assert bill(*amounts, ended=ended).total <= bill(*grown, ended=ended).total


def test_what_is_kept_of_an_ended_period() -> None:
    kept = bill("1.005", ended=True).record
    assert kept == PeriodRecord("p1", T, T + timedelta(days=31), Decimal("1.01"), 7)
    assert kept.key == record_key("p1", T) == "p1|202603011830"
