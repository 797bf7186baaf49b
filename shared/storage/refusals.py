"""Refused input: one partition, one row a fingerprint."""

from collections.abc import Iterable, Sequence

from shared.ports import RefusedInput
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, to_stored, unpack
from shared.storage.tables import Tables

PARTITION = "refused"


class TableRefusals:
    """Fulfils ``Refusals``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.REFUSED)

    def keep(self, refused: Sequence[RefusedInput]) -> None:
        for item in refused:
            self._table.create(PARTITION, item.id, dict(pack("item", to_stored(item))))

    def all(self) -> Iterable[RefusedInput]:
        for row in self._table.query(PARTITION):
            yield from_stored(RefusedInput, unpack(row.properties, "item"))

    def drop(self, id_: str) -> None:
        self._table.delete(PARTITION, id_)
