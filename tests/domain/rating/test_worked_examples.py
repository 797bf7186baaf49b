"""Numeric examples published by other billing systems, priced by our models and conventions."""

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.domain.money import ZERO, round_half_up
from shared.domain.rating.charge import BandUse
from shared.domain.rating.custom import CustomInput, average_price
from shared.domain.rating.discount import (
    LineTerms,
    PricedLine,
    price_line,
    terms_faults,
)
from shared.domain.rating.models import ChargeModel, Usage, charge, faults
from shared.domain.rating.percentage import Percentage, PercentageInput, per_event_fee

type Example = dict[str, Any]
type Figure = Decimal | list[Decimal]
type Figures = dict[str, Figure]

MODEL: TypeAdapter[ChargeModel] = TypeAdapter(ChargeModel)
TERMS = TypeAdapter(LineTerms)

EXAMPLES: list[Example] = json.loads(
    Path(__file__).with_name("worked_examples.json").read_text("utf-8")
)
"""Per example ``parts`` to price (``before``: an earlier reading, whose figures come off), or the
``values`` of events with bounded fees, or custom ``events``. ``theirs`` beside ``rule`` marks an
example where another convention holds, ``total`` then being what ours gives."""


def named(key: str) -> list[Any]:
    return [pytest.param(e, id=e["id"]) for e in EXAMPLES if key in e]


def usage_of(figure: str | Example) -> Usage:
    if isinstance(figure, str):
        return Decimal(figure)
    return PercentageInput(Decimal(figure["amount"]), figure.get("events", 0))


def uses_of(line: PricedLine) -> tuple[BandUse, ...]:
    return line.base.bands + (line.overage.bands if line.overage else ())


def figures(line: PricedLine, terms: LineTerms) -> Figures:
    free = terms.usage_discount + terms.included
    return {
        "amount": line.amount,
        "billable": line.billable,
        "left": free - (line.quantity - line.billable),
        "gross": line.gross,
        "after_discount": line.after_discount,
        "top_up": line.top_up,
        "rounded": round_half_up(line.amount, 2),
        "units": [use.units for use in uses_of(line)],
        "bands": [use.amount for use in uses_of(line)],
    }


def beyond(now: Figure, before: Figure) -> Figure:
    if isinstance(now, list) and isinstance(before, list):
        return [a - b for a, b in zip_longest(now, before, fillvalue=ZERO)]
    assert isinstance(now, Decimal)
    assert isinstance(before, Decimal)
    return now - before


def priced(part: Example) -> Figures:
    model = MODEL.validate_python(part["model"])
    terms = TERMS.validate_python(part.get("terms", {}))
    assert faults(model) == ()
    assert terms_faults(terms, model) == ()
    now = figures(price_line(model, usage_of(part["usage"]), terms), terms)
    if "before" not in part:
        return now
    then = figures(price_line(model, usage_of(part["before"]), terms), terms)
    return now | {name: beyond(now[name], then[name]) for name in now if name != "left"}


def expected(value: str | list[str]) -> Figure:
    return Decimal(value) if isinstance(value, str) else [Decimal(item) for item in value]


@pytest.mark.parametrize("example", named("parts"))
def test_parts(example: Example) -> None:
    total = ZERO
    for part in example["parts"]:
        result = priced(part)
        assert part["expect"], "an example without figures proves nothing"
        for name, value in part["expect"].items():
            assert result[name] == expected(value), name
        amount = result["amount"]
        assert isinstance(amount, Decimal)
        total += amount
    if "total" in example:
        assert total == Decimal(example["total"])
    if "theirs" in example:
        assert example["rule"]
        assert total != Decimal(example["theirs"])


@pytest.mark.parametrize("example", named("values"))
def test_fees_per_event(example: Example) -> None:
    model = MODEL.validate_python(example["model"])
    assert isinstance(model, Percentage)
    values = [Decimal(value) for value in example["values"]]
    fees = sum((per_event_fee(model, value) for value in values), ZERO)
    usage = PercentageInput(sum(values, ZERO), len(values), fees)
    assert charge(model, usage).amount == Decimal(example["amount"])


@pytest.mark.parametrize("example", named("events"))
def test_weighted_average(example: Example) -> None:
    sums: dict[str, CustomInput] = {}
    for at, unit, description, price, quantity in example["events"]:
        units, amount = Decimal(quantity), Decimal(quantity) * Decimal(price)
        event = CustomInput(units, amount, description, datetime.fromisoformat(f"{at}T00:00:00Z"))
        first = sums.setdefault(unit, replace(event, quantity=ZERO, amount=ZERO))
        sums[unit] = replace(first, quantity=first.quantity + units, amount=first.amount + amount)
    model = MODEL.validate_python({"model": "CUSTOM"})
    lines = [
        (
            f"{usage.at:%Y-%m-%d}",
            unit,
            usage.description,
            average_price(usage),
            usage.quantity,
            charge(model, usage).amount,
        )
        for unit, usage in sums.items()
    ]
    assert lines == [(*line[:3], *map(Decimal, line[3:])) for line in example["lines"]]


def test_every_example_is_run_once() -> None:
    ids = [example["id"] for example in EXAMPLES]
    run = [e["id"] for e in EXAMPLES for key in ("parts", "values", "events") if key in e]
    assert len(set(ids)) == len(ids)
    assert run == ids
