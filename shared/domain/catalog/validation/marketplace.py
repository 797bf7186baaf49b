"""Faults of how plans are sold: offers, plans and dimensions as Partner Center takes them."""

import re
from collections.abc import Iterator

from shared.domain.catalog.billing import (
    AmountBilling,
    Billing,
    Included,
    QuantityBilling,
    QuantityDimension,
    Waterfall,
    dimension_ids,
)
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import Plan
from shared.domain.catalog.resolve import ResolvedPlan, resolve_plan
from shared.domain.catalog.validation.references import unknown
from shared.domain.errors import FieldError
from shared.domain.ids import DimensionId
from shared.domain.rating.charge import band_faults, price_faults

MAX_DIMENSIONS = 30
"""Dimensions of an offer, all plans together."""

_DIMENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,49}")
_LISTING = re.compile(r"[a-z0-9][a-z0-9_\-]{0,49}")


def marketplace_faults(catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with billing and with the plans of Partner Center that plans are sold as."""
    for index, template in enumerate(catalog.plan_templates):
        if template.billing is not None:
            place = f"/planTemplates/{index}/billing"
            yield from _billing_faults(place, template.billing, catalog)
    for index, plan in enumerate(catalog.plans):
        if plan.billing is not None:
            yield from _billing_faults(f"/plans/{index}/billing", plan.billing, catalog)
    yield from _mapping_faults(catalog)
    yield from _offer_faults(catalog)


def _billing_faults(place: str, billing: Billing, catalog: Catalog) -> Iterator[FieldError]:
    match billing:
        case AmountBilling():
            yield from _amount_faults(place, billing)
        case QuantityBilling():
            yield from _quantity_faults(place, billing, catalog)


def _amount_faults(place: str, billing: AmountBilling) -> Iterator[FieldError]:
    if billing.unit_price <= 0:
        yield FieldError(f"{place}/unitPrice", "must be above zero, usually 0.01")
    else:
        yield from price_faults(f"{place}/unitPrice", billing.unit_price)
    yield from _id_faults(f"{place}/dimension", billing.dimension)
    if billing.included is not None:
        message = (
            "the dimension of amount billing has included quantity 0 in Partner Center; put free "
            "units into the terms of the prices (terms.included)"
        )
        yield FieldError(f"{place}/included", message)


def _quantity_faults(
    place: str, billing: QuantityBilling, catalog: Catalog
) -> Iterator[FieldError]:
    if not billing.dimensions and not billing.waterfalls:
        yield FieldError(place, "names no dimension; give dimensions or waterfalls")
    seen: set[DimensionId] = set()
    for number, dimension in enumerate(billing.dimensions):
        pointer = f"{place}/dimensions/{number}"
        yield from _id_faults(f"{pointer}/id", dimension.id)
        if dimension.id in seen:
            yield FieldError(f"{pointer}/id", f"{dimension.id} is used twice in this plan")
        seen.add(dimension.id)
        yield from _source_faults(pointer, dimension, catalog)
    for number, waterfall in enumerate(billing.waterfalls):
        pointer = f"{place}/waterfalls/{number}"
        for index, step in enumerate(waterfall.steps):
            yield from _id_faults(f"{pointer}/steps/{index}/id", step.id)
            if step.id in seen:
                message = f"{step.id} is used twice in this plan"
                yield FieldError(f"{pointer}/steps/{index}/id", message)
            seen.add(step.id)
        for fault in band_faults(waterfall.steps):
            steps = fault.pointer.replace("/bands", "/steps", 1)
            yield FieldError(f"{pointer}{steps}", fault.message)
        yield from _source_faults(pointer, waterfall, catalog)


def _source_faults(
    pointer: str, source: QuantityDimension | Waterfall, catalog: Catalog
) -> Iterator[FieldError]:
    known = [a.code for a in catalog.aggregations]
    known += [c.code for c in catalog.compound_aggregations]
    if source.aggregation not in known:
        message = unknown("aggregation", source.aggregation, known)
        yield FieldError(f"{pointer}/aggregation", message)
    elif source.segment is not None:
        segments = next(
            (a.segments for a in catalog.aggregations if a.code == source.aggregation), ()
        )
        if source.segment not in segments:
            yield FieldError(f"{pointer}/segment", f"is no segment of {source.aggregation}")
    if source.included is not None:
        yield from _included_faults(f"{pointer}/included", source.included)


def _included_faults(pointer: str, included: Included) -> Iterator[FieldError]:
    if (included.monthly is None) is (included.term is None):
        message = "refills monthly or once a term, as in Partner Center; give one of the two"
        yield FieldError(pointer, message)
    yield from price_faults(f"{pointer}/monthly", included.monthly)
    yield from price_faults(f"{pointer}/term", included.term)


def _id_faults(pointer: str, dimension: DimensionId) -> Iterator[FieldError]:
    if not _DIMENSION.fullmatch(dimension):
        message = (
            "would be refused by Partner Center: an id has 1-50 letters, digits, '_' or '-', "
            "starting with a letter or digit"
        )
        yield FieldError(pointer, message)


def _mapping_faults(catalog: Catalog) -> Iterator[FieldError]:
    seen: dict[tuple[str, str], str] = {}
    for index, plan in enumerate(catalog.plans):
        for number, target in enumerate(plan.marketplace):
            place = f"/plans/{index}/marketplace/{number}"
            for name, text in (("offer", target.offer), ("plan", target.plan)):
                if not _LISTING.fullmatch(text):
                    message = (
                        "is no id of Partner Center: 1-50 lower-case letters, digits, '_', '-'"
                    )
                    yield FieldError(f"{place}/{name}", message)
            other = seen.setdefault((target.offer, target.plan), plan.code)
            if other != plan.code:
                message = f"plan {other} is already sold as {target.offer}/{target.plan}"
                yield FieldError(place, message)


def _offer_faults(catalog: Catalog) -> Iterator[FieldError]:
    dimensions: dict[str, set[DimensionId]] = {}
    trials: dict[str, str] = {}
    resolved = [_resolved(plan, catalog) for plan in catalog.plans]
    for plan in resolved:
        for target in plan.marketplace:
            if plan.free_trial is not None:
                trials.setdefault(target.offer, plan.code)
    for index, plan in enumerate(resolved):
        place = f"/plans/{index}"
        for number, target in enumerate(plan.marketplace):
            known = dimensions.setdefault(target.offer, set())
            before = len(known)
            known.update(dimension_ids(plan.billing))
            if before <= MAX_DIMENSIONS < len(known):
                message = (
                    f"brings offer {target.offer} to {len(known)} dimensions; Partner Center takes "
                    f"{MAX_DIMENSIONS}, all plans together"
                )
                yield FieldError(f"{place}/marketplace/{number}", message)
            if isinstance(plan.billing, QuantityBilling) and target.offer in trials:
                message = (
                    f"reports quantities on offer {target.offer}, where plan "
                    f"{trials[target.offer]} has a free trial; custom dimensions and free trials "
                    "exclude each other"
                )
                yield FieldError(f"{place}/billing", message)


def _resolved(plan: Plan, catalog: Catalog) -> ResolvedPlan:
    templates = {t.code: t for t in catalog.plan_templates}
    template = None if plan.template is None else templates.get(plan.template)
    return resolve_plan(plan, template, catalog.organization)
