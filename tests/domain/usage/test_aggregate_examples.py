"""Figures that other billing systems publish, run through our aggregations and expressions.

``differing`` lists the examples whose rule is not ours, with the number of our rule and both
results; they are run as well.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.domain.ids import AccountCode, MeterCode
from shared.domain.money import CONTEXT
from shared.domain.usage.aggregate import AggregationType, Rounding, aggregate, to_units
from shared.domain.usage.event import DataValue, UsageEvent
from shared.domain.usage.expression import EvaluationError, compile_expression
from shared.domain.usage.partial import Partial

type Example = Mapping[str, Any]

EXAMPLES = json.loads(Path(__file__).with_name("worked_examples.json").read_text())


def examples(group: str) -> pytest.MarkDecorator:
    rows = EXAMPLES[group]
    return pytest.mark.parametrize("example", rows, ids=[row["id"] for row in rows])


def value_of(text: str) -> DataValue:
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def partial_of(events: Sequence[Example], field: str | None) -> Partial:
    partial = Partial()
    for number, row in enumerate(events):
        data = {name: value_of(text) for name, text in row.items() if name != "time"}
        time = datetime.fromisoformat(row["time"])
        event = UsageEvent(f"e{number}", AccountCode("a"), MeterCode("m"), time, data)
        partial.add(event, frozenset() if field is None else frozenset({field}))
    return partial


@examples("aggregations")
@pytest.mark.parametrize("arrival", ["in order", "reversed"])
def test_aggregation(example: Example, arrival: str) -> None:
    events = example["events"] if arrival == "in order" else example["events"][::-1]
    partial = partial_of(events, example["field"])
    value: DataValue = aggregate(AggregationType(example["aggregation"]), partial, example["field"])
    if "compound" in example:
        value = compile_expression(example["compound"]).evaluate({example["field"]: value})
    assert value == Decimal(example["expected"])


@examples("expressions")
def test_expression(example: Example) -> None:
    expression = compile_expression(example["expression"])
    values = {name: value_of(text) for name, text in example["values"].items()}
    if "fault" in example:
        with pytest.raises(EvaluationError) as caught:
            expression.evaluate(values)
        assert caught.value.fault == example["fault"]
    else:
        assert expression.evaluate(values) == Decimal(example["expected"])


@examples("units")
def test_units(example: Example) -> None:
    quantity, per_unit = Decimal(example["quantity"]), Decimal(example["quantityPerUnit"])
    units = to_units(quantity, per_unit, Rounding(example["rounding"]))
    billed = CONTEXT.subtract(units, Decimal(example.get("discountedUnits", "0")))
    assert billed == Decimal(example["units"])
    if "amount" in example:
        amount = CONTEXT.multiply(billed, Decimal(example["unitPrice"]))
        assert amount == Decimal(example["amount"])


@examples("differing")
def test_differing_rule(example: Example) -> None:
    kind, segment = AggregationType(example["aggregation"]), example.get("segment")
    for name, ours in example["ours"].items():
        events = [row for row in example["events"] if segment is None or row[segment] == name]
        value = aggregate(kind, partial_of(events, example["field"]), example["field"])
        assert value == Decimal(ours)
        assert value != Decimal(example["theirs"][name])
