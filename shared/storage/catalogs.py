"""Versions of the catalogue: one immutable row each, and one that names the newest."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.changes import Change
from shared.domain.catalog.timeline import VersionHead
from shared.domain.errors import ConcurrentUpdate, Unavailable
from shared.ports import CatalogVersion
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, text_of, to_stored, unpack
from shared.storage.operations import Clash, Create, create_or_replace
from shared.storage.tables import Row, Tables


@dataclass(frozen=True, slots=True)
class _Changes:
    """The changes of a version as they are stored."""

    changes: tuple[Change, ...] = ()


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
        return _version(row)

    def get(self, number: int) -> CatalogVersion | None:
        if not keys.is_catalog_number(number):
            return None
        row = self._table.get(keys.CATALOG_PARTITION, keys.catalog_row(number))
        return None if row is None else _version(row)

    def heads(self) -> list[VersionHead]:
        wanted = keys.catalog_versions()
        found = self._table.query(
            keys.CATALOG_PARTITION, wanted, ["RowKey", "created", "effective"]
        )
        return [_head(row) for row in found]

    def add(self, version: CatalogVersion) -> None:
        """See the port; raises ``TooLarge`` for a catalogue that no row can hold."""
        newest = self._newest()
        expected = 1 if newest is None else int(text_of(newest.properties, "row")) + 1
        taken = ConcurrentUpdate(f"version {version.number} is not the catalogue's next one")
        if version.number != expected:
            raise taken
        name = keys.catalog_row(version.number)
        properties = {
            "created": version.created.isoformat(),
            **pack("catalog", to_stored(version.catalog)),
            **pack("changes", to_stored(_Changes(version.changes))),
        }
        if version.effective_from is not None:
            properties["effective"] = version.effective_from.isoformat()
        operations = [
            Create(name, properties),
            create_or_replace(keys.CURRENT, {"row": name}, newest.etag if newest else None),
        ]
        if isinstance(self._table.transact(keys.CATALOG_PARTITION, operations), Clash):
            raise taken

    def _newest(self) -> Row | None:
        return self._table.get(keys.CATALOG_PARTITION, keys.CURRENT)


def _head(row: Row) -> VersionHead:
    effective = row.properties.get("effective")
    return VersionHead(
        number=int(row.key),
        created=datetime.fromisoformat(text_of(row.properties, "created")),
        effective_from=datetime.fromisoformat(effective) if isinstance(effective, str) else None,
    )


def _version(row: Row) -> CatalogVersion:
    head = _head(row)
    return CatalogVersion(
        head.number,
        head.created,
        from_stored(Catalog, unpack(row.properties, "catalog")),
        head.effective_from,
        from_stored(_Changes, unpack(row.properties, "changes")).changes,
    )
