"""The second computation of a bill, against figures worked out by hand."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml

from local.due import Used, due_units
from local.samples.files import CATALOG

NOVEMBER = datetime(2026, 11, 20, 12, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalog() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(CATALOG.read_bytes())
    return document


def used(context: int, generated: int, at: datetime = NOVEMBER) -> Used:
    return Used(at, {"contextTokens": Decimal(context), "generatedTokens": Decimal(generated)})


@pytest.mark.parametrize(
    ("rows", "plan", "units"),
    [
        pytest.param([], "standard", 0, id="nothing"),
        pytest.param([used(500_000, 0)], "standard", 600, id="the first band, bound included"),
        # 6.00 + 4.50 + 500,000 at 0.000006
        pytest.param([used(1_500_000, 0)], "standard", 1350, id="three bands"),
        # 3.00 + 10,000 at 0.000048 = 0.48
        pytest.param([used(0, 60_000)], "standard", 348, id="generated"),
        # 0.0155 and 0.0165 are floored line by line, not together
        pytest.param([used(1292, 275)], "standard", 2, id="lines are floored one by one"),
        pytest.param([used(0, 0)] * 110, "standard", 1, id="110 requests, 100 free"),
        pytest.param([used(1_000_000, 1_000)], "scale", 804, id="scale"),
    ],
)
def test_a_running_month(catalog: dict[str, Any], rows: list[Used], plan: str, units: int) -> None:
    assert due_units(rows, catalog, plan, NOVEMBER) == units


def test_a_month_that_is_over_is_rounded_half_up(catalog: dict[str, Any]) -> None:
    rows = [used(1292, 275)]
    assert due_units(rows, catalog, "standard", DECEMBER) == 4
    assert due_units(rows, catalog, "standard", NOVEMBER, ended=True) == 4


def test_bands_begin_anew_every_month(catalog: dict[str, Any]) -> None:
    rows = [used(500_000, 0), used(500_000, 0, DECEMBER)]
    assert due_units(rows, catalog, "standard", DECEMBER) == 1200
