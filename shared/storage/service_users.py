"""Service users in Table storage: one partition, a row a key."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from shared.domain.serviceuser import ServiceUser
from shared.storage.mapping import from_stored, text_of, to_stored
from shared.storage.operations import Replace
from shared.storage.tables import Row, Tables

TABLE: Final = "ServiceUsers"
PARTITION: Final = "serviceUsers"

_KEY_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")


class TableServiceUsers:
    """The port ``ServiceUsers``. Key ids are letters and digits; others are found nowhere."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(TABLE)

    def get(self, key_id: str) -> ServiceUser | None:
        row = self._row(key_id)
        return None if row is None else _user(row)

    def list(self) -> Iterable[ServiceUser]:
        for row in self._table.query(PARTITION):
            yield _user(row)

    def put(self, user: ServiceUser) -> None:
        if not _KEY_ID.fullmatch(user.key_id):
            raise ValueError("a key id is made of letters and digits")
        self._table.put(PARTITION, user.key_id, {"User": to_stored(user)})

    def touch(self, key_id: str, used: datetime) -> None:
        """If-Match, and no second try: a change of the user meanwhile is worth more."""
        row = self._row(key_id)
        if row is not None:
            touched = replace(_user(row), last_used=used)
            change = Replace(key_id, {"User": to_stored(touched)}, row.etag)
            self._table.transact(PARTITION, [change])

    def delete(self, key_id: str) -> None:
        if _KEY_ID.fullmatch(key_id):
            self._table.delete(PARTITION, key_id)

    def _row(self, key_id: str) -> Row | None:
        return self._table.get(PARTITION, key_id) if _KEY_ID.fullmatch(key_id) else None


def _user(row: Row) -> ServiceUser:
    return from_stored(ServiceUser, text_of(row.properties, "User"))
