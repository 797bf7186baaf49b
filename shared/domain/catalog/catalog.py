"""The catalogue: one versioned document that says what is measured, priced and sold."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.meter import Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan
from shared.domain.catalog.product import Product
from shared.domain.errors import NotFound
from shared.domain.ids import AggregationCode, MeterCode, PlanCode
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

    @cached_property
    def _meters(self) -> dict[str, Meter]:
        return {meter.code: meter for meter in self.meters}

    @cached_property
    def _aggregations(self) -> dict[str, Aggregation]:
        return {aggregation.code: aggregation for aggregation in self.aggregations}

    @cached_property
    def _plans(self) -> dict[str, Plan]:
        return {plan.code: plan for plan in self.plans}

    def meter(self, code: MeterCode) -> Meter | None:
        """The meter of that code, or ``None``."""
        return self._meters.get(code)

    def aggregation(self, code: AggregationCode) -> Aggregation:
        """The aggregation of that code. Raises ``NotFound``."""
        found = self._aggregations.get(code)
        if found is None:
            raise NotFound(f"the catalogue has no aggregation {code}")
        return found

    def plan(self, code: PlanCode) -> Plan:
        """The plan of that code. Raises ``NotFound``."""
        found = self._plans.get(code)
        if found is None:
            raise NotFound(f"the catalogue has no plan {code}")
        return found

    def plan_for(self, offer: str, marketplace_plan: str) -> Plan | None:
        """The plan that is sold as this offer and plan of Partner Center, or ``None``."""
        for plan in self.plans:
            if any(m.offer == offer and m.plan == marketplace_plan for m in plan.marketplace):
                return plan
        return None
