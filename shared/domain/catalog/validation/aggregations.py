"""Faults of simple and compound aggregations and of segments."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal

from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom import CustomFields, custom_names, custom_values
from shared.domain.catalog.meter import FieldCategory, Meter
from shared.domain.catalog.segment import ANY, Segment, is_rest
from shared.domain.catalog.validation.references import unknown
from shared.domain.errors import FieldError
from shared.domain.ids import FieldCode, MeterCode, ProductCode
from shared.domain.money import ZERO, fault_of_measure
from shared.domain.rating.charge import fault_of_price
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.event import MAX_TEXT, DataValue
from shared.domain.usage.expression import (
    EvaluationError,
    Expression,
    ExpressionError,
    compile_expression,
)

MAX_SEGMENTED_FIELDS = 6
"""Fields that one meter's usage is split by: each combination of values is kept by itself."""

MAX_LEVELS = 20
"""Compounds that are calculated from compounds."""

MAX_SEGMENTS = 500


def aggregation_faults(catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with simple aggregations."""
    meters = {meter.code: meter for meter in catalog.meters}
    products = [product.code for product in catalog.products]
    split: dict[MeterCode, set[FieldCode]] = {}
    for index, aggregation in enumerate(catalog.aggregations):
        place = f"/aggregations/{index}"
        yield from _unit_faults(place, aggregation, products)
        if (fault := fault_of_measure(aggregation.default_value)) is not None:
            yield FieldError(f"{place}/defaultValue", fault)
        meter = meters.get(aggregation.meter)
        if meter is None:
            yield FieldError(f"{place}/meter", unknown("meter", aggregation.meter, meters))
            continue
        if None not in (meter.product, aggregation.product) and meter.product != (
            aggregation.product
        ):
            message = f"meter {meter.code} belongs to product {meter.product}; leave product out"
            yield FieldError(f"{place}/product", message)
        yield from _field_faults(place, aggregation, meter.categories())
        yield from _segment_faults(place, aggregation, meter)
        fields = split.setdefault(meter.code, set())
        before = len(fields)
        fields.update(aggregation.segmented_fields)
        if before <= MAX_SEGMENTED_FIELDS < len(fields):
            message = f"splits meter {meter.code} by {len(fields)} fields; at most "
            yield FieldError(f"{place}/segmentedFields", f"{message}{MAX_SEGMENTED_FIELDS} fit")


def _unit_faults(
    place: str,
    measure: Aggregation | CompoundAggregation,
    products: Collection[ProductCode],
) -> Iterator[FieldError]:
    if measure.product is not None and measure.product not in products:
        yield FieldError(f"{place}/product", unknown("product", measure.product, products))
    fault = fault_of_price(measure.quantity_per_unit)
    if fault is not None or not measure.quantity_per_unit:
        yield FieldError(f"{place}/quantityPerUnit", fault or "is 0; give a number above 0")


def _field_faults(
    place: str, aggregation: Aggregation, categories: Mapping[FieldCode, FieldCategory]
) -> Iterator[FieldError]:
    pointer = f"{place}/field"
    if aggregation.field is None:
        if aggregation.type is not AggregationType.COUNT:
            yield FieldError(pointer, f"{aggregation.type} needs the data field it works on")
        return
    category = categories.get(aggregation.field)
    if category is None:
        yield FieldError(pointer, unknown("data field", aggregation.field, categories))
    elif not category.numeric and aggregation.type not in (
        AggregationType.COUNT,
        AggregationType.UNIQUE,
    ):
        message = f"{aggregation.type} needs a number, and {aggregation.field} is {category}"
        yield FieldError(pointer, message)


def _segment_faults(place: str, aggregation: Aggregation, meter: Meter) -> Iterator[FieldError]:
    fields = aggregation.segmented_fields
    categories = meter.categories()
    for number, name in enumerate(fields):
        pointer = f"{place}/segmentedFields/{number}"
        if name not in categories:
            yield FieldError(pointer, unknown("data field", name, categories))
        elif categories[name].numeric:
            message = f"{name} is {categories[name]}, a number; segments are made of text fields"
            yield FieldError(pointer, message)
        elif name in fields[:number]:
            yield FieldError(pointer, f"{name} is named twice")
    if not fields and not aggregation.segments:
        return
    pointer = f"{place}/segments"
    if not fields:
        yield FieldError(pointer, "need segmentedFields: the fields whose values divide the usage")
        return
    if len(aggregation.segments) > MAX_SEGMENTS:
        yield FieldError(pointer, f"are {len(aggregation.segments)}; give at most {MAX_SEGMENTS}")
    yield from _segment_list_faults(pointer, fields, aggregation.segments)


def _segment_list_faults(
    pointer: str, fields: tuple[FieldCode, ...], segments: tuple[Segment, ...]
) -> Iterator[FieldError]:
    seen: set[tuple[tuple[str, str], ...]] = set()
    for number, segment in enumerate(segments):
        place = f"{pointer}/{number}"
        for name in fields:
            if name not in segment:
                message = f"has no value for {name}; give one, or {ANY} for any"
                yield FieldError(place, message)
        for name, value in segment.items():
            if name not in fields:
                yield FieldError(place, unknown("segmented field", name, fields))
            if not 0 < len(value) <= MAX_TEXT:
                yield FieldError(place, f"a value must have 1 to {MAX_TEXT} characters")
        key = tuple(sorted(segment.items()))
        if key in seen:
            yield FieldError(place, "stands there twice; every event falls in exactly one segment")
        seen.add(key)
    if not any(is_rest(segment) for segment in segments):
        rest = ", ".join(f"{name}: '{ANY}'" for name in fields)
        message = f"leave other values without a segment; add {{{rest}}} for the rest"
        yield FieldError(pointer, message)


def compound_faults(catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with compound aggregations."""
    products = [product.code for product in catalog.products]
    known: set[str] = {aggregation.code for aggregation in catalog.aggregations}
    all_compounds = [compound.code for compound in catalog.compound_aggregations]
    custom = set(custom_names(*_holders(catalog)))
    worth = _without_usage(catalog)
    levels: dict[str, int] = {}
    for index, compound in enumerate(catalog.compound_aggregations):
        place = f"/compoundAggregations/{index}"
        yield from _unit_faults(place, compound, products)
        pointer = f"{place}/expression"
        try:
            expression = compile_expression(compound.expression)
        except ExpressionError as exc:
            yield FieldError(pointer, str(exc))
        else:
            missing = sorted(expression.names - known - custom)
            for name in missing:
                if name in all_compounds[index:]:
                    message = f"reads {name}, which is not calculated before it; put {name} first"
                    yield FieldError(pointer, message)
                else:
                    yield FieldError(pointer, unknown("aggregation", name, known | custom))
            if not missing:
                yield from _trial_faults(pointer, compound.code, expression, worth)
            yield from _level_faults(pointer, compound.code, expression, levels)
        known.add(compound.code)


def _level_faults(
    pointer: str, code: str, expression: Expression, levels: dict[str, int]
) -> Iterator[FieldError]:
    """Each level is calculated inside the one above it, which has an end."""
    below = max((levels.get(name, 0) for name in expression.names), default=0)
    levels[code] = below + 1
    if below == MAX_LEVELS:
        message = (
            f"reads compounds that stand on {MAX_LEVELS} levels already, the most there can be"
        )
        yield FieldError(pointer, message)


def _holders(catalog: Catalog) -> Iterator[CustomFields]:
    """Whose custom fields compounds read; nearer ones first."""
    yield from (plan.custom for plan in catalog.plans)
    yield from (template.custom for template in catalog.plan_templates)
    yield from (product.custom for product in catalog.products)
    yield catalog.organization.custom


def _without_usage(catalog: Catalog) -> dict[str, DataValue]:
    """What expressions read in a period without usage."""
    values: dict[str, DataValue] = custom_values(*_holders(catalog))
    for aggregation in catalog.aggregations:
        default = aggregation.default_value
        values[aggregation.code] = default if fault_of_measure(default) is None else ZERO
    return values


def _trial_faults(
    pointer: str, code: str, expression: Expression, worth: dict[str, DataValue]
) -> Iterator[FieldError]:
    """A period without usage must have a value too, or its bill could not be made. Those that read
    this one read what it is worth then."""
    worth[code] = ZERO
    try:
        value = expression.evaluate({name: worth.get(name, ZERO) for name in expression.names})
    except EvaluationError as exc:
        message = f"has no value when there is no usage: {exc}; use if(…, …, …) for that case"
        yield FieldError(pointer, message)
        return
    if isinstance(value, Decimal):
        worth[code] = value
    else:
        yield FieldError(pointer, "gives a text; a quantity is a number")
