"""Faults of meters: their fields, given and derived."""

from collections.abc import Iterator
from decimal import Decimal

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom import PREFIX, custom_names, custom_values
from shared.domain.catalog.meter import DerivedField, FieldCategory, Meter
from shared.domain.catalog.validation.references import code_faults, unknown
from shared.domain.errors import FieldError
from shared.domain.ids import FieldCode
from shared.domain.money import ONE
from shared.domain.usage.event import MAX_FIELDS, DataValue
from shared.domain.usage.expression import (
    EvaluationError,
    Expression,
    ExpressionError,
    Fault,
    compile_expression,
)


def meter_faults(catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with meters."""
    products = [product.code for product in catalog.products]
    for index, meter in enumerate(catalog.meters):
        place = f"/meters/{index}"
        if meter.product is not None and meter.product not in products:
            yield FieldError(f"{place}/product", unknown("product", meter.product, products))
        yield from _field_faults(place, meter)
        yield from _derived_faults(place, meter, catalog)


def _field_faults(place: str, meter: Meter) -> Iterator[FieldError]:
    fields = [field.code for field in meter.data_fields]
    yield from code_faults(f"{place}/dataFields", fields)
    derived = [field.code for field in meter.derived_fields]
    yield from code_faults(f"{place}/derivedFields", derived, fields, "a data field")
    if len(fields) + len(derived) > MAX_FIELDS:
        message = f"has {len(fields) + len(derived)} fields, derived ones included; "
        yield FieldError(f"{place}/dataFields", f"{message}give at most {MAX_FIELDS}")
    for kind, codes in (("dataFields", fields), ("derivedFields", derived)):
        for number, code in enumerate(codes):
            if code.startswith(PREFIX):
                message = f"names beginning with {PREFIX} are those of custom fields"
                yield FieldError(f"{place}/{kind}/{number}/code", message)


def _derived_faults(place: str, meter: Meter, catalog: Catalog) -> Iterator[FieldError]:
    product = None if meter.product is None else catalog.product(meter.product)
    holders = (catalog.organization.custom, product.custom if product else {})
    known: dict[str, FieldCategory] = {f.code: f.category for f in meter.data_fields}
    custom = custom_values(*holders)
    for number, field in enumerate(meter.derived_fields):
        pointer = f"{place}/derivedFields/{number}/expression"
        try:
            expression = compile_expression(field.expression)
        except ExpressionError as exc:
            yield FieldError(pointer, str(exc))
        else:
            later = [f.code for f in meter.derived_fields[number:]]
            missing = list(
                name_faults(pointer, expression, {*known, *custom_names(*holders)}, later)
            )
            yield from missing or trial_faults(pointer, field, expression, known, custom)
        known[field.code] = field.category


def name_faults(
    pointer: str, expression: Expression, known: set[str], later: list[FieldCode]
) -> Iterator[FieldError]:
    """Names in an expression that mean nothing at its place."""
    for name in sorted(expression.names - known):
        if name in later:
            message = f"reads {name}, which is not calculated before it; put {name} first"
            yield FieldError(pointer, message)
        else:
            yield FieldError(pointer, unknown("field", name, known))


def trial_faults(
    pointer: str,
    field: DerivedField,
    expression: Expression,
    known: dict[str, FieldCategory],
    custom: dict[str, DataValue],
) -> Iterator[FieldError]:
    """What goes wrong for any event: texts where numbers belong, and results of the wrong kind."""
    sample: dict[str, DataValue] = {
        name: ONE if category.numeric else "x" for name, category in known.items()
    }
    try:
        value = expression.evaluate({**custom, **sample})
    except EvaluationError as exc:
        if exc.fault is Fault.WRONG_TYPE:
            yield FieldError(pointer, str(exc))
        return
    if isinstance(value, Decimal) is not field.category.numeric:
        made, wanted = ("a text", "a number") if isinstance(value, str) else ("a number", "a text")
        message = f"gives {made}, and a {field.category} field is {wanted}; change the category"
        yield FieldError(pointer, message)
