"""What becomes of an event's fields on arrival, and when older usage suffices for new rules."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.intake import Intake, Taken
from shared.domain.catalog.meter import DataField, DerivedField, FieldCategory, Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.product import Product
from shared.domain.ids import AggregationCode, FieldCode, MeterCode, ProductCode
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.event import DataValue

D = Decimal
TOKENS = MeterCode("tokens")


def derived(
    code: str, expression: str, kind: FieldCategory = FieldCategory.MEASURE
) -> DerivedField:
    return DerivedField(FieldCode(code), expression, kind)


COST = derived("cost", "(read + 2 * written) * custom.rate", FieldCategory.COST)
SIZE = derived("size", "if(read > 100, 'big', 'small')", FieldCategory.WHAT)


def aggregation(code: str, kind: AggregationType, field: str, *by: str) -> Aggregation:
    fields = tuple(FieldCode(name) for name in by)
    return Aggregation(
        AggregationCode(code), TOKENS, kind, FieldCode(field), segmented_fields=fields
    )


def intake(
    *fields: DerivedField,
    aggregations: tuple[Aggregation, ...] = (),
    rate: str = "0.5",
    product_rate: str | None = None,
) -> Intake:
    given = (
        DataField(FieldCode("read"), FieldCategory.MEASURE),
        DataField(FieldCode("written"), FieldCategory.MEASURE, required=False),
        DataField(FieldCode("model"), FieldCategory.WHAT, required=False),
    )
    product = Product(ProductCode("ai"), custom={} if product_rate is None else {
        "rate": D(product_rate)})  # fmt: skip
    catalog = Catalog(
        Organization("contoso", custom={"rate": rate}),
        (product,),
        (Meter(TOKENS, given, product.code, derived_fields=fields),),
        aggregations,
    )
    made = catalog.intake(TOKENS)
    assert made is not None
    assert catalog.intake(TOKENS) is made
    return made


def taken(made: Intake, **data: DataValue) -> Taken:
    found = made.take(data)
    assert isinstance(found, Taken), found
    return found


def test_without_derived_fields_the_data_is_passed_on_as_it_is() -> None:
    data: dict[str, DataValue] = {"read": D(1)}
    found = intake().take(data)
    assert isinstance(found, Taken)
    assert found.data is data
    assert found.segment == ""


def test_derived_fields_are_added_and_may_build_on_each_other() -> None:
    double = derived("double", "cost * 2")
    found = taken(intake(COST, double), read=D(3), written=D(1))
    assert found.data == {"read": 3, "written": 1, "cost": D("2.5"), "double": 5}


@pytest.mark.parametrize(("product_rate", "cost"), [(None, "1.5"), ("2", "6")])
def test_the_product_s_custom_field_wins(product_rate: str | None, cost: str) -> None:
    found = taken(intake(COST, product_rate=product_rate), read=D(3), written=D(0))
    assert found.data["cost"] == D(cost)


def test_a_derived_text_may_divide_usage() -> None:
    by_size = aggregation("by-size", AggregationType.COUNT, "read", "size", "model")
    found = taken(intake(SIZE, aggregations=(by_size,)), read=D(500), model="m")
    assert found.segment == '[["model","m"],["size","big"]]'


def test_fields_of_all_aggregations_divide_the_usage_together() -> None:
    made = intake(
        aggregations=(
            aggregation("a", AggregationType.SUM, "read", "model"),
            aggregation("b", AggregationType.UNIQUE, "model"),
        )
    )
    assert made.segment_fields == ("model",)
    assert made.unique_fields == {"model"}


FAULTS: dict[str, tuple[DerivedField, dict[str, Any], str]] = {
    "missing": (COST, {"read": D(1)}, "cost: missing-field: the field written is missing"),
    "division": (derived("x", "1 / (read - 1)"), {"read": D(1)}, "division-by-zero"),
    "negative": (derived("x", "1 - read"), {"read": D(5)}, "x: must not be negative"),
    "range": (derived("x", "read ^ 3"), {"read": D(10) ** 14}, "out-of-range"),
    "kind": (derived("x", "if(read > 1, 'a', 1)"), {"read": D(5)}, "MEASURE fields are a number"),
    "text": (derived("x", "read", FieldCategory.WHAT), {"read": D(5)}, "WHAT fields are a text"),
}


@pytest.mark.parametrize(
    ("field", "data", "message"), [pytest.param(*c, id=name) for name, c in FAULTS.items()]
)
def test_an_event_without_a_derived_value_is_refused_with_the_reason(
    field: DerivedField, data: dict[str, DataValue], message: str
) -> None:
    (fault,) = _refused(intake(field), data)
    assert fault.startswith("derived field ")
    assert message in fault


def _refused(made: Intake, data: dict[str, DataValue]) -> list[str]:
    found = made.take(data)
    assert not isinstance(found, Taken)
    assert all(fault.pointer.startswith("/data") for fault in found)
    return [fault.message for fault in found]


def test_every_fault_is_told_at_once() -> None:
    made = intake(COST, derived("x", "1 / (read - 1)"))
    assert len(_refused(made, {"read": D(1)})) == 2
    assert _refused(made, {"read": "1"}) == ["must be a number"]


def test_an_event_that_was_accepted_counts_under_any_rules() -> None:
    found = intake(COST).take_again({"read": D(1), "old": "field"})
    assert found.data == {"read": 1, "old": "field"}


BY_MODEL = (aggregation("a", AggregationType.SUM, "read", "model"),)
COVERING = {
    "the same": (intake(COST), intake(COST), True),
    "one field less": (intake(), intake(COST), True),
    "a new field": (intake(COST), intake(), False),
    "another formula": (intake(replace(COST, expression="read")), intake(COST), False),
    "another custom value that it reads": (intake(COST, rate="1"), intake(COST), False),
    "another custom value that nothing reads": (intake(SIZE, rate="1"), intake(SIZE), True),
    "another name": (intake(replace(COST, name="x", unit="$")), intake(COST), True),
    "a formula below it changed": (
        intake(replace(COST, expression="read"), derived("x", "cost")),
        intake(COST, derived("x", "cost")),
        False,
    ),
    "a split": (intake(aggregations=BY_MODEL), intake(), False),
    "no split any more": (intake(), intake(aggregations=BY_MODEL), True),
    "different values": (
        intake(aggregations=(aggregation("b", AggregationType.UNIQUE, "model"),)),
        intake(),
        False,
    ),
}


@pytest.mark.parametrize(
    ("new", "old", "covered"), [pytest.param(*c, id=name) for name, c in COVERING.items()]
)
def test_whether_old_usage_suffices(new: Intake, old: Intake, covered: bool) -> None:
    assert new.covers(old) is covered
