"""Versions of the catalogue in memory."""

from shared.domain.catalog.timeline import VersionHead
from shared.domain.errors import ConcurrentUpdate
from shared.ports import CatalogVersion


class FakeCatalogs:
    """Numbers go up by one from 1."""

    def __init__(self) -> None:
        self._versions: list[CatalogVersion] = []

    def current(self) -> CatalogVersion | None:
        return self._versions[-1] if self._versions else None

    def get(self, number: int) -> CatalogVersion | None:
        return next((v for v in self._versions if v.number == number), None)

    def heads(self) -> list[VersionHead]:
        return [version.head for version in self._versions]

    def add(self, version: CatalogVersion) -> None:
        if version.number != len(self._versions) + 1:
            raise ConcurrentUpdate(f"version {version.number} is not the catalogue's next one")
        self._versions.append(version)
