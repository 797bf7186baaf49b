"""Faults of a catalogue that no single type can see: every one at once, with its place."""

from itertools import chain, islice

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom_usage import CUSTOM_METER, CUSTOM_USAGE
from shared.domain.catalog.validation.aggregations import aggregation_faults, compound_faults
from shared.domain.catalog.validation.marketplace import marketplace_faults
from shared.domain.catalog.validation.meters import meter_faults
from shared.domain.catalog.validation.organization import organization_faults
from shared.domain.catalog.validation.plans import plan_faults, template_faults
from shared.domain.catalog.validation.references import code_faults
from shared.domain.errors import FieldError

__all__ = ["faults_of", "MAX_FAULTS"]

BUILT_IN = "that of custom usage"
MAX_FAULTS = 500
"""Nobody reads more at once, and finding the nearest name for each takes time."""


def faults_of(catalog: Catalog) -> tuple[FieldError, ...]:
    """Everything wrong with ``catalog``; pointers name places of the document."""
    found = chain(
        organization_faults(catalog),
        code_faults("/products", [p.code for p in catalog.products]),
        code_faults("/meters", [m.code for m in catalog.meters], {CUSTOM_METER}, BUILT_IN),
        code_faults(
            "/aggregations", [a.code for a in catalog.aggregations], {CUSTOM_USAGE}, BUILT_IN
        ),
        code_faults(
            "/compoundAggregations",
            [c.code for c in catalog.compound_aggregations],
            {CUSTOM_USAGE, *(a.code for a in catalog.aggregations)},
            "an aggregation",
        ),
        code_faults("/planTemplates", [t.code for t in catalog.plan_templates]),
        code_faults("/plans", [p.code for p in catalog.plans]),
        meter_faults(catalog),
        aggregation_faults(catalog),
        compound_faults(catalog),
        template_faults(catalog),
        plan_faults(catalog),
        marketplace_faults(catalog),
    )
    return tuple(islice(found, MAX_FAULTS))
