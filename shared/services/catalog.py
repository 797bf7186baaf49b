"""Reads and replaces the catalogue: immutable versions, refused whole when anything is wrong."""

from dataclasses import dataclass

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.validation import faults_of
from shared.domain.errors import InvalidInput, NotFound
from shared.ports import Catalogs, CatalogVersion, Clock


@dataclass(frozen=True, slots=True)
class PutCatalog:
    """Stores a new version of the catalogue."""

    catalogs: Catalogs
    clock: Clock

    def __call__(self, catalog: Catalog) -> CatalogVersion:
        """Validate and store. The same catalogue again is no new version.

        Raises ``InvalidInput`` with every fault, ``ConcurrentUpdate`` when another version was
        stored at the same time.
        """
        faults = faults_of(catalog)
        if faults:
            raise InvalidInput(f"the catalogue has {len(faults)} faults", faults)
        current = self.catalogs.current()
        if current is not None and current.catalog == catalog:
            return current
        number = current.number + 1 if current else 1
        version = CatalogVersion(number, self.clock.now(), catalog)
        self.catalogs.add(version)
        return version

    def current(self) -> CatalogVersion:
        """The newest version. Raises ``NotFound`` while there is none."""
        current = self.catalogs.current()
        if current is None:
            raise NotFound("no catalogue was stored yet")
        return current
