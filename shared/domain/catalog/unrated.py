"""What the catalogue can say and rating does not honour: refused, so that nothing is ignored.

This list is the one place for it: what rating learns is taken out here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import Plan, PlanTemplate, Pricing
from shared.domain.errors import FieldError
from shared.domain.rating.custom import Custom


@dataclass(frozen=True, slots=True)
class Unrated:
    """Something that can be configured and is not billed; ``places`` finds where it stands."""

    what: str
    places: Callable[[Catalog], Iterable[str]]


def _holders(catalog: Catalog) -> Iterator[tuple[str, Plan | PlanTemplate]]:
    for index, template in enumerate(catalog.plan_templates):
        yield f"/planTemplates/{index}", template
    for index, plan in enumerate(catalog.plans):
        yield f"/plans/{index}", plan


def _organization(name: str, attribute: str) -> Callable[[Catalog], Iterable[str]]:
    return lambda catalog: (
        [f"/organization/{name}"] if getattr(catalog.organization, attribute) is not None else []
    )


def _prices(name: str, wanted: Callable[[Pricing], bool]) -> Callable[[Catalog], Iterable[str]]:
    return lambda catalog: (
        f"{place}/pricing/{number}/{name}"
        for place, holder in _holders(catalog)
        for number, pricing in enumerate(holder.pricing)
        if wanted(pricing)
    )


UNRATED: tuple[Unrated, ...] = (
    Unrated("a grace in the catalogue", _organization("usageGraceHours", "usage_grace_hours")),
    Unrated("a price in the event", _prices("charge", lambda p: isinstance(p.charge, Custom))),
)


def unrated_faults(catalog: Catalog) -> Iterator[FieldError]:
    """Every place where the catalogue says what would not be billed as it says."""
    for unrated in UNRATED:
        message = f"{unrated.what} cannot be billed by this release; leave it out"
        yield from (FieldError(place, message) for place in unrated.places(catalog))
