"""Faults of plans and plan templates: what they inherit, charge and price."""

from collections.abc import Collection, Iterator
from datetime import date

from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.billing import AmountBilling, Billing
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.charges import Due, Milestone, Recurring, ScheduledCharge
from shared.domain.catalog.custom import custom_faults
from shared.domain.catalog.custom_usage import AGGREGATION, CUSTOM_USAGE
from shared.domain.catalog.plan import Plan, PlanTemplate, Pricing, PricingKey, PricingKind
from shared.domain.catalog.segment import segment_text
from shared.domain.catalog.validation.organization import currency_faults
from shared.domain.catalog.validation.purchase_grants import grant_faults
from shared.domain.catalog.validation.references import code_faults, unknown
from shared.domain.errors import FieldError
from shared.domain.ids import AggregationCode, ProductCode
from shared.domain.money import ONE
from shared.domain.rating.charge import price_faults
from shared.domain.rating.custom import Custom
from shared.domain.rating.discount import terms_faults
from shared.domain.rating.models import faults as charge_faults
from shared.domain.rating.percentage import Percentage
from shared.domain.usage.aggregate import AggregationType, Rounding

MAX_INTERVAL = 120
MAX_TRIAL_DAYS = 3650

type Measures = dict[AggregationCode, Aggregation | CompoundAggregation]


def template_faults(catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with plan templates."""
    products = [product.code for product in catalog.products]
    measures = _measures(catalog)
    for index, template in enumerate(catalog.plan_templates):
        place = f"/planTemplates/{index}"
        if template.product is not None and template.product not in products:
            yield FieldError(f"{place}/product", unknown("product", template.product, products))
        yield from _common_faults(place, template, catalog)
        yield from _pricing_faults(place, template.pricing, template.product, measures, catalog)


def plan_faults(catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with plans."""
    products = [product.code for product in catalog.products]
    measures = _measures(catalog)
    for index, plan in enumerate(catalog.plans):
        place = f"/plans/{index}"
        if plan.product not in products:
            yield FieldError(f"{place}/product", unknown("product", plan.product, products))
        yield from _template_reference_faults(place, plan, catalog)
        yield from _common_faults(place, plan, catalog)
        yield from _pricing_faults(place, plan.pricing, plan.product, measures, catalog)


def _measures(catalog: Catalog) -> Measures:
    simple: Measures = {a.code: a for a in catalog.aggregations}
    built_in: Measures = {CUSTOM_USAGE: AGGREGATION}
    return built_in | simple | {c.code: c for c in catalog.compound_aggregations}


def _template_reference_faults(place: str, plan: Plan, catalog: Catalog) -> Iterator[FieldError]:
    if plan.template is None:
        return
    templates = {template.code: template for template in catalog.plan_templates}
    template = templates.get(plan.template)
    if template is None:
        message = unknown("plan template", plan.template, templates)
        yield FieldError(f"{place}/template", message)
        return
    if template.product != plan.product and _exist(catalog, template.product, plan.product):
        message = f"template {template.code} is for product {template.product}; leave it out"
        yield FieldError(f"{place}/template", message)
        return
    for pricing in template.pricing:
        measure = catalog.find_measure(pricing.aggregation)
        product = None if measure is None else catalog.product_of(measure)
        if product != plan.product and _exist(catalog, product, plan.product):
            message = (
                f"template {template.code} prices {pricing.aggregation}, which belongs to "
                f"product {product}, not to {plan.product}"
            )
            yield FieldError(f"{place}/template", message)


def _common_faults(
    place: str, holder: Plan | PlanTemplate, catalog: Catalog
) -> Iterator[FieldError]:
    if holder.interval is not None and not 1 <= holder.interval <= MAX_INTERVAL:
        message = "must be at least 1" if holder.interval < 1 else f"must be at most {MAX_INTERVAL}"
        yield FieldError(f"{place}/interval", message)
    if holder.currency is not None:
        pointer = f"{place}/currency"
        yield from currency_faults(pointer, holder.currency, catalog.organization)
    yield from _standing_faults(place, holder)
    if holder.minimum_spend is not None:
        yield from price_faults(f"{place}/minimumSpend/amount", holder.minimum_spend.amount)
    if holder.free_trial is not None and not 1 <= holder.free_trial.days <= MAX_TRIAL_DAYS:
        yield FieldError(f"{place}/freeTrial/days", f"must be 1 to {MAX_TRIAL_DAYS}")
    charges = holder.charges or ()
    yield from code_faults(f"{place}/charges", [charge.code for charge in charges])
    for number, charge in enumerate(charges):
        yield from _charge_faults(f"{place}/charges/{number}", charge, holder.billing)
    yield from grant_faults(place, holder, catalog)
    yield from custom_faults(f"{place}/custom", holder.custom)


def _standing_faults(place: str, holder: Plan | PlanTemplate) -> Iterator[FieldError]:
    standing = holder.standing_charge
    if standing is None:
        return
    yield from price_faults(f"{place}/standingCharge/amount", standing.amount)
    if not 1 <= standing.interval <= MAX_INTERVAL:
        message = f"must be 1 to {MAX_INTERVAL}"
        yield FieldError(f"{place}/standingCharge/interval", message)
    if not 0 <= standing.offset < max(standing.interval, 1):
        message = "must be 0 or more periods, and fewer than the interval has"
        yield FieldError(f"{place}/standingCharge/offset", message)


def _charge_faults(
    place: str, charge: ScheduledCharge, billing: Billing | None
) -> Iterator[FieldError]:
    yield from _due_faults(f"{place}/due", charge.due, billing)
    match charge:
        case Milestone(on=on, after_days=days):
            if (on is None) is (days is None):
                yield FieldError(place, "falls due on a date or afterDays; give one of the two")
            if days is not None and not 0 <= days <= 36_500:
                yield FieldError(f"{place}/afterDays", "must be 0 to 36500")
        case Recurring(interval=interval):
            if not 1 <= interval <= 10_000:
                yield FieldError(f"{place}/interval", "must be 1 to 10000")
        case _:
            return


def _due_faults(place: str, due: Due, billing: Billing | None) -> Iterator[FieldError]:
    yield from price_faults(f"{place}/amount", due.amount)
    yield from price_faults(f"{place}/quantity", due.quantity)
    by_amount = billing is None or isinstance(billing, AmountBilling)
    if by_amount and (due.amount is None or due.dimension or due.quantity is not None):
        yield FieldError(place, "of a plan billed by amount is an amount, and nothing else")
    if not by_amount and (due.amount is not None or not due.dimension or due.quantity is None):
        message = "of a plan billed by quantity is a dimension with a quantity, and no amount"
        yield FieldError(place, message)


def _pricing_faults(
    place: str,
    prices: tuple[Pricing, ...],
    product: ProductCode | None,
    measures: Measures,
    catalog: Catalog,
) -> Iterator[FieldError]:
    priced: set[tuple[PricingKey, date | None]] = set()
    for number, pricing in enumerate(prices):
        pointer = f"{place}/pricing/{number}"
        code = pricing.aggregation
        measure = measures.get(code)
        if measure is None:
            yield FieldError(f"{pointer}/aggregation", unknown("aggregation", code, measures))
        else:
            yield from _measure_faults(pointer, pricing, measure, product, catalog)
        if (pricing.key, pricing.from_) in priced:
            segment = f" for {segment_text(pricing.segment)}" if pricing.segment else ""
            message = f"{code} is priced twice{segment} in this plan; give one a later from"
            yield FieldError(f"{pointer}/aggregation", message)
        priced.add((pricing.key, pricing.from_))
        for fault in charge_faults(pricing.charge):
            yield FieldError(f"{pointer}/charge{fault.pointer}", fault.message)
        for fault in terms_faults(pricing.terms, pricing.charge):
            yield FieldError(f"{pointer}/terms{fault.pointer}", fault.message)
    yield from _coverage_faults(place, prices, measures)


def _measure_faults(
    pointer: str,
    pricing: Pricing,
    measure: Aggregation | CompoundAggregation,
    product: ProductCode | None,
    catalog: Catalog,
) -> Iterator[FieldError]:
    owner = catalog.product_of(measure)
    if owner is not None and owner != product and _exist(catalog, owner, product):
        message = f"{measure.code} belongs to product {owner}, and this plan is for {product}"
        yield FieldError(f"{pointer}/aggregation", message)
    if pricing.segment is not None:
        yield from _segment_faults(pointer, pricing, measure)
    if isinstance(pricing.charge, Percentage) and not _is_plain_sum(measure):
        message = "PERCENTAGE takes a share of a measured value; price a SUM that is not converted"
        yield FieldError(f"{pointer}/charge", message)
    yield from _custom_faults(pointer, pricing, measure)


def _custom_faults(
    pointer: str, pricing: Pricing, measure: Aggregation | CompoundAggregation
) -> Iterator[FieldError]:
    """CUSTOM and custom usage belong together; a plan names them only to give them terms."""
    custom = isinstance(pricing.charge, Custom)
    if custom is not (measure is AGGREGATION):
        message = f"CUSTOM is the price of {CUSTOM_USAGE}, the usage that names its own, and of "
        yield FieldError(f"{pointer}/charge", f"{message}nothing else")
    elif custom and pricing.kind is not PricingKind.DEBIT:
        yield FieldError(f"{pointer}/kind", "custom usage is charged; leave kind out")
    if custom and pricing.terms.minimum is not None:
        message = "without usage there is no line that it could be added to; use minimumSpend"
        yield FieldError(f"{pointer}/terms/minimum", message)


def _exist(catalog: Catalog, *products: ProductCode | None) -> bool:
    """Whether all of them do: a wrong name is one fault, not another at each of its uses."""
    return all(p is not None and catalog.product(p) is not None for p in products)


def _segment_faults(
    pointer: str, pricing: Pricing, measure: Aggregation | CompoundAggregation
) -> Iterator[FieldError]:
    segments: Collection[object] = () if isinstance(measure, CompoundAggregation) else (
        measure.segments
    )  # fmt: skip
    if pricing.segment in segments:
        return
    if isinstance(measure, CompoundAggregation) or not measure.segmented_fields:
        message = f"{measure.code} is not segmented; leave segment out"
    else:
        known = "; ".join(segment_text(segment) for segment in measure.segments[:8])
        message = f"is no segment of {measure.code}, which has: {known}"
    yield FieldError(f"{pointer}/segment", message)


def _is_plain_sum(measure: Aggregation | CompoundAggregation) -> bool:
    return (
        isinstance(measure, Aggregation)
        and measure.type is AggregationType.SUM
        and measure.rounding is Rounding.NONE
        and measure.quantity_per_unit == ONE
        and not measure.default_value
    )


def _coverage_faults(
    place: str, prices: tuple[Pricing, ...], measures: Measures
) -> Iterator[FieldError]:
    """A plan that prices segments prices all of them, so that no usage is free by oversight."""
    by_code: dict[AggregationCode, list[tuple[int, Pricing]]] = {}
    for number, pricing in enumerate(prices):
        by_code.setdefault(pricing.aggregation, []).append((number, pricing))
    for code, own in by_code.items():
        segmented = [pricing.segment for _, pricing in own if pricing.segment is not None]
        measure = measures.get(code)
        if not segmented or not isinstance(measure, Aggregation):
            continue
        for number, pricing in own:
            if pricing.segment is None:
                message = f"{code} is priced by segment too, so its usage would be priced twice"
                yield FieldError(f"{place}/pricing/{number}/segment", f"is missing: {message}")
        for segment in measure.segments:
            if segment not in segmented:
                message = (
                    f"leaves {code} of {segment_text(segment)} without a price; add one, "
                    "with unitPrice 0 if it is free"
                )
                yield FieldError(f"{place}/pricing/{own[0][0]}", message)
