"""Versions of the catalogue in memory."""

from shared.domain.errors import ConcurrentUpdate
from shared.ports import CatalogVersion


class FakeCatalogs:
    """Numbers go up by one from 1."""

    def __init__(self) -> None:
        self._versions: list[CatalogVersion] = []

    def current(self) -> CatalogVersion | None:
        return self._versions[-1] if self._versions else None

    def add(self, version: CatalogVersion) -> None:
        if version.number != len(self._versions) + 1:
            raise ConcurrentUpdate(f"version {version.number} is not the catalogue's next one")
        self._versions.append(version)
