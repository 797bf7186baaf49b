"""Custom fields of an account in calculations: from when on they count, and what cannot be."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from shared.domain.account import Account
from shared.domain.accounts.scene import Scene
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom import PREFIX, CustomFields, custom_values
from shared.domain.catalog.timeline import TAKING_HOLD, PlanSpan
from shared.domain.errors import FieldError, InvalidInput, NotFound
from shared.domain.period import HOUR, hour_of
from shared.domain.rating.quantity import Quantities
from shared.domain.usage.expression import EvaluationError

MAX_FORMER = 500
"""How often the custom fields of an account with a plan may change: all of them are kept."""


def counts_from(scene: Scene) -> datetime | None:
    """From when on a change of custom fields counts; ``None`` for all time, while nothing has been
    calculated with them.

    It is a full hour far enough ahead for all processes to know of it: what an event was counted
    as must come out the same when it is counted again.
    """
    if all(plan.start > scene.now for plan in scene.record.plans):
        return None
    return hour_of(scene.now + TAKING_HOLD) + HOUR


def custom_field_faults(account: Account, scene: Scene) -> Iterator[FieldError]:
    """What cannot be calculated with: values of another kind than the catalogue's, and those
    that leave a plan of the account without a quantity."""
    known: dict[str, object] = {}
    for catalog in scene.catalogs:
        known |= custom_values(*_holders(catalog))
    faults = []
    for name, value in custom_values(account.custom).items():
        theirs = known.get(name)
        if theirs is not None and isinstance(value, Decimal) is not isinstance(theirs, Decimal):
            kind = "a number" if isinstance(theirs, Decimal) else "a text"
            message = f"must be {kind}: the catalogue has {name} = {theirs}, which this replaces"
            faults.append(FieldError(f"/custom/{name.removeprefix(PREFIX)}", message))
    yield from faults
    if not faults and scene.timeline is not None:
        running = [p.plan for p in scene.record.plans if p.end is None or p.end > scene.now]
        for code in sorted({code for code in running if scene.timeline.knows(code)}):
            yield from compound_faults("/custom", account.custom, scene.timeline.spans(code)[-1])
    if len(scene.record.former) >= MAX_FORMER and account.custom != scene.record.account.custom:
        yield FieldError("/custom", f"changed {MAX_FORMER} times, the most there can be")


def compound_faults(pointer: str, custom: CustomFields, span: PlanSpan) -> Iterator[FieldError]:
    """Quantities of a plan that an account with these fields could not be billed for."""
    quantities = Quantities(span.catalog, span.plan, (), None, custom)
    for code in sorted({pricing.aggregation for pricing in span.plan.pricing}):
        try:
            quantities.measure(code)
        except (EvaluationError, InvalidInput, NotFound) as exc:
            message = f"leaves aggregation {code} of plan {span.plan.code} without a value: {exc}"
            yield FieldError(pointer, message)


def _holders(catalog: Catalog) -> Iterable[CustomFields]:
    yield catalog.organization.custom
    yield from (product.custom for product in catalog.products)
    yield from (template.custom for template in catalog.plan_templates)
    yield from (plan.custom for plan in catalog.plans)
