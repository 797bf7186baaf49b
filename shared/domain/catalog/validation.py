"""Faults of a catalogue that no single type can see: every one at once, with its place."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import FieldCategory
from shared.domain.catalog.plan import Plan
from shared.domain.errors import FieldError
from shared.domain.ids import FieldCode, is_code
from shared.domain.rating.models import faults as charge_faults
from shared.domain.usage.aggregate import AggregationType

MARKETPLACE_CURRENCY = "USD"
"""Listings with metered dimensions bill in US dollars only (semantics, rule 24)."""


def faults_of(catalog: Catalog) -> tuple[FieldError, ...]:
    """Everything wrong with ``catalog``; pointers name places of the document."""
    return (
        *_organization_faults(catalog),
        *_code_faults("products", [p.code for p in catalog.products]),
        *_code_faults("meters", [m.code for m in catalog.meters]),
        *_code_faults("aggregations", [a.code for a in catalog.aggregations]),
        *_code_faults("plans", [p.code for p in catalog.plans]),
        *_meter_faults(catalog),
        *_aggregation_faults(catalog),
        *_plan_faults(catalog),
        *_mapping_faults(catalog),
    )


def unknown(kind: str, code: str, known: Iterable[str]) -> str:
    """A message for a reference to nothing, with the nearest name there is."""
    near = difflib.get_close_matches(code, list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no {kind} {code}{hint}"


def _organization_faults(catalog: Catalog) -> Iterator[FieldError]:
    organization = catalog.organization
    try:
        ZoneInfo(organization.time_zone)
    except (KeyError, ValueError, OSError):
        message = f"{organization.time_zone} is not an IANA time zone such as Europe/Berlin"
        yield FieldError("/organization/timeZone", message)
    if organization.currency != MARKETPLACE_CURRENCY:
        message = f"the Marketplace bills metered dimensions in {MARKETPLACE_CURRENCY} only"
        yield FieldError("/organization/currency", message)


def _code_faults(kind: str, codes: Sequence[str]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, code in enumerate(codes):
        if not is_code(code):
            message = (
                "must be 1-64 letters, digits, '.', '_' or '-', starting with a letter or digit"
            )
            yield FieldError(f"/{kind}/{index}/code", message)
        if code in seen:
            yield FieldError(f"/{kind}/{index}/code", f"{code} is used twice")
        seen.add(code)


def _meter_faults(catalog: Catalog) -> Iterator[FieldError]:
    products = [product.code for product in catalog.products]
    for index, meter in enumerate(catalog.meters):
        place = f"/meters/{index}"
        if meter.product is not None and meter.product not in products:
            yield FieldError(f"{place}/product", unknown("product", meter.product, products))
        yield from (
            FieldError(place + fault.pointer, fault.message)
            for fault in _code_faults("dataFields", [f.code for f in meter.data_fields])
        )


def _aggregation_faults(catalog: Catalog) -> Iterator[FieldError]:
    meters = {meter.code: meter for meter in catalog.meters}
    for index, aggregation in enumerate(catalog.aggregations):
        place = f"/aggregations/{index}"
        meter = meters.get(aggregation.meter)
        if meter is None:
            yield FieldError(f"{place}/meter", unknown("meter", aggregation.meter, meters))
            continue
        categories = {field.code: field.category for field in meter.data_fields}
        yield from _field_faults(place, aggregation, categories)


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


def _plan_faults(catalog: Catalog) -> Iterator[FieldError]:
    products = [product.code for product in catalog.products]
    aggregations = [aggregation.code for aggregation in catalog.aggregations]
    for index, plan in enumerate(catalog.plans):
        place = f"/plans/{index}"
        if plan.product not in products:
            yield FieldError(f"{place}/product", unknown("product", plan.product, products))
        if plan.interval < 1:
            yield FieldError(f"{place}/interval", "must be at least 1")
        if plan.billing.unit_price <= 0:
            yield FieldError(f"{place}/billing/unitPrice", "must be above zero, usually 0.01")
        yield from _pricing_faults(place, plan, aggregations)


def _pricing_faults(place: str, plan: Plan, aggregations: Sequence[str]) -> Iterator[FieldError]:
    priced: set[str] = set()
    for number, pricing in enumerate(plan.pricing):
        pointer = f"{place}/pricing/{number}"
        code = pricing.aggregation
        if code not in aggregations:
            message = unknown("aggregation", code, aggregations)
            yield FieldError(f"{pointer}/aggregation", message)
        if code in priced:
            yield FieldError(f"{pointer}/aggregation", f"{code} is priced twice in this plan")
        priced.add(code)
        for fault in charge_faults(pricing.charge):
            yield FieldError(f"{pointer}/charge{fault.pointer}", fault.message)


def _mapping_faults(catalog: Catalog) -> Iterator[FieldError]:
    seen: dict[tuple[str, str], str] = {}
    for index, plan in enumerate(catalog.plans):
        for number, target in enumerate(plan.marketplace):
            other = seen.setdefault((target.offer, target.plan), plan.code)
            if other != plan.code:
                message = f"plan {other} is already sold as {target.offer}/{target.plan}"
                yield FieldError(f"/plans/{index}/marketplace/{number}", message)
