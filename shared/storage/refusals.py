"""Refused input: one partition, one row a fingerprint."""

from collections.abc import Iterable, Sequence

from shared.ports import RefusedInput
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, to_stored, unpack
from shared.storage.tables import Tables


class TableRefusals:
    """Fulfils ``Refusals``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.REFUSED)

    def keep(self, refused: Sequence[RefusedInput]) -> None:
        for item in refused:
            stored = pack("item", to_stored(item))
            self._table.create(keys.REFUSED_PARTITION, keys.refused_row(item.id), stored)

    def all(self, after: str = "") -> Iterable[RefusedInput]:
        for row in self._table.query(keys.REFUSED_PARTITION, keys.refused_after(after)):
            yield from_stored(RefusedInput, unpack(row.properties, "item"))

    def drop(self, id_: str) -> None:
        self._table.delete(keys.REFUSED_PARTITION, keys.refused_row(id_))
