"""What the catalogue can say and rating does not honour: refused, so that nothing is ignored.

This list is the one place for it: what rating learns is taken out here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.domain.catalog.catalog import Catalog
from shared.domain.errors import FieldError


@dataclass(frozen=True, slots=True)
class Unrated:
    """Something that can be configured and is not billed; ``places`` finds where it stands."""

    what: str
    places: Callable[[Catalog], Iterable[str]]


def _organization(name: str, attribute: str) -> Callable[[Catalog], Iterable[str]]:
    return lambda catalog: (
        [f"/organization/{name}"] if getattr(catalog.organization, attribute) is not None else []
    )


UNRATED: tuple[Unrated, ...] = (
    Unrated("a grace in the catalogue", _organization("usageGraceHours", "usage_grace_hours")),
)


def unrated_faults(catalog: Catalog) -> Iterator[FieldError]:
    """Every place where the catalogue says what would not be billed as it says."""
    for unrated in UNRATED:
        message = f"{unrated.what} cannot be billed by this release; leave it out"
        yield from (FieldError(place, message) for place in unrated.places(catalog))
