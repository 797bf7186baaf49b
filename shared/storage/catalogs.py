"""Versions of the catalogue: one immutable row each, and one that names the newest."""

from datetime import datetime

from shared.domain.catalog.catalog import Catalog
from shared.domain.errors import ConcurrentUpdate, Unavailable
from shared.ports import CatalogVersion
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, text_of, to_stored, unpack
from shared.storage.operations import Clash, Create, create_or_replace
from shared.storage.tables import Row, Tables


class TableCatalogs:
    """Fulfils ``Catalogs``. Numbers go up by one from 1."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.CATALOG)

    def current(self) -> CatalogVersion | None:
        newest = self._newest()
        if newest is None:
            return None
        name = text_of(newest.properties, "row")
        row = self._table.get(keys.CATALOG_PARTITION, name)
        if row is None:
            raise Unavailable(f"version {name} of the catalogue is missing")
        return CatalogVersion(
            number=int(name),
            created=datetime.fromisoformat(text_of(row.properties, "created")),
            catalog=from_stored(Catalog, unpack(row.properties, "catalog")),
        )

    def add(self, version: CatalogVersion) -> None:
        """See the port; raises ``TooLarge`` for a catalogue that no row can hold."""
        newest = self._newest()
        expected = 1 if newest is None else int(text_of(newest.properties, "row")) + 1
        taken = ConcurrentUpdate(f"version {version.number} is not the catalogue's next one")
        if version.number != expected:
            raise taken
        name = keys.catalog_row(version.number)
        document = pack("catalog", to_stored(version.catalog))
        operations = [
            Create(name, {"created": version.created.isoformat(), **document}),
            create_or_replace(keys.CURRENT, {"row": name}, newest.etag if newest else None),
        ]
        if isinstance(self._table.transact(keys.CATALOG_PARTITION, operations), Clash):
            raise taken

    def _newest(self) -> Row | None:
        return self._table.get(keys.CATALOG_PARTITION, keys.CURRENT)
