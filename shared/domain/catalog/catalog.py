"""The catalogue: one versioned document that says what is measured, priced and sold."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import ClassVar

from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.custom import custom_values
from shared.domain.catalog.custom_usage import (
    AGGREGATION,
    CUSTOM_METER,
    CUSTOM_USAGE,
    METER,
    custom_intake,
)
from shared.domain.catalog.intake import Intake, intake_of
from shared.domain.catalog.meter import Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan, PlanTemplate
from shared.domain.catalog.product import Product
from shared.domain.catalog.resolve import ResolvedPlan, resolve_plan
from shared.domain.errors import NotFound
from shared.domain.ids import (
    AggregationCode,
    MeterCode,
    PlanCode,
    PlanTemplateCode,
    ProductCode,
)
from shared.domain.rating.fees import Fee
from shared.domain.rating.percentage import Percentage
from shared.domain.wire import WIRE


@dataclass(frozen=True)
class Catalog:
    """Everything configured, as one immutable value with look-ups by code."""

    __pydantic_config__: ClassVar = WIRE

    organization: Organization
    products: tuple[Product, ...] = ()
    meters: tuple[Meter, ...] = ()
    aggregations: tuple[Aggregation, ...] = ()
    plans: tuple[Plan, ...] = ()
    compound_aggregations: tuple[CompoundAggregation, ...] = ()
    plan_templates: tuple[PlanTemplate, ...] = ()

    @cached_property
    def _products(self) -> dict[ProductCode, Product]:
        return {product.code: product for product in self.products}

    @cached_property
    def _meters(self) -> dict[MeterCode, Meter]:
        return {meter.code: meter for meter in self.meters}

    @cached_property
    def _aggregations(self) -> dict[AggregationCode, Aggregation]:
        return {aggregation.code: aggregation for aggregation in self.aggregations}

    @cached_property
    def _compounds(self) -> dict[AggregationCode, CompoundAggregation]:
        return {compound.code: compound for compound in self.compound_aggregations}

    @cached_property
    def _templates(self) -> dict[PlanTemplateCode, PlanTemplate]:
        return {template.code: template for template in self.plan_templates}

    @cached_property
    def _plans(self) -> dict[PlanCode, Plan]:
        return {plan.code: plan for plan in self.plans}

    @cached_property
    def _intakes(self) -> dict[MeterCode, Intake]:
        return {}

    @cached_property
    def _resolved(self) -> dict[PlanCode, ResolvedPlan]:
        return {}

    def product(self, code: ProductCode) -> Product | None:
        """The product of that code, or ``None``."""
        return self._products.get(code)

    def meter(self, code: MeterCode) -> Meter | None:
        """The meter of that code, or ``None``."""
        return self._meters.get(code) or (METER if code == CUSTOM_METER else None)

    def intake(self, code: MeterCode) -> Intake | None:
        """What to do with events of a meter, made once; ``None`` for an unknown meter."""
        known = self._intakes.get(code)
        if known is None and code == CUSTOM_METER:
            known = self._intakes[code] = custom_intake(self.organization.currencies())
        if known is None and (meter := self._meters.get(code)) is not None:
            own = [a for a in self.aggregations if a.meter == code]
            product = None if meter.product is None else self._products.get(meter.product)
            custom = custom_values(self.organization.custom, product.custom if product else {})
            known = self._intakes[code] = intake_of(meter, own, custom, self._fees(own))
        return known

    def _fees(self, aggregations: Iterable[Aggregation]) -> Iterable[Fee]:
        """What prices with bounds per event ask of the events that make these aggregations."""
        fields = {own.code: own.field for own in aggregations if own.field is not None}
        templates = (price for template in self.plan_templates for price in template.pricing)
        prices = chain(templates, (price for plan in self.plans for price in plan.pricing))
        return dict.fromkeys(
            Fee(fields[price.aggregation], price.charge)
            for price in prices
            if price.aggregation in fields
            and isinstance(price.charge, Percentage)
            and price.charge.bounded
        )

    def aggregation(self, code: AggregationCode) -> Aggregation:
        """The simple aggregation of that code. Raises ``NotFound``."""
        found = self._simple(code)
        if found is None:
            raise NotFound(f"the catalogue has no aggregation {code}")
        return found

    def measure(self, code: AggregationCode) -> Aggregation | CompoundAggregation:
        """The simple or compound aggregation of that code. Raises ``NotFound``."""
        return self._compounds.get(code) or self.aggregation(code)

    def find_measure(self, code: AggregationCode) -> Aggregation | CompoundAggregation | None:
        """The simple or compound aggregation of that code, or ``None``."""
        return self._compounds.get(code) or self._simple(code)

    def _simple(self, code: AggregationCode) -> Aggregation | None:
        return self._aggregations.get(code) or (AGGREGATION if code == CUSTOM_USAGE else None)

    def product_of(self, measure: Aggregation | CompoundAggregation) -> ProductCode | None:
        """The product whose plans may price an aggregation; ``None`` when all may."""
        if measure.product is not None or isinstance(measure, CompoundAggregation):
            return measure.product
        meter = self._meters.get(measure.meter)
        return None if meter is None else meter.product

    def plan(self, code: PlanCode) -> ResolvedPlan:
        """The plan of that code with all it inherits. Raises ``NotFound``."""
        found = self.find_plan(code)
        if found is None:
            raise NotFound(f"the catalogue has no plan {code}")
        return found

    def find_plan(self, code: PlanCode) -> ResolvedPlan | None:
        """The plan of that code with all it inherits, or ``None``."""
        known = self._resolved.get(code)
        if known is None and (plan := self._plans.get(code)) is not None:
            template = None if plan.template is None else self._templates.get(plan.template)
            known = self._resolved[code] = resolve_plan(plan, template, self.organization)
        return known

    def plan_for(self, offer: str, marketplace_plan: str) -> ResolvedPlan | None:
        """The plan that is sold as this offer and plan of Partner Center, or ``None``."""
        for plan in self.plans:
            if any(m.offer == offer and m.plan == marketplace_plan for m in plan.marketplace):
                return self.plan(plan.code)
        return None

    def plans_beside(self, product: ProductCode) -> frozenset[PlanCode]:
        """The plans of all other products."""
        return frozenset(plan.code for plan in self.plans if plan.product != product)
