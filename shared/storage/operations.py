"""What one entity group transaction is made of, and what may become of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.ports import Etag
from shared.storage.limits import Property


@dataclass(frozen=True, slots=True)
class Create:
    """Store a row that must not be there yet."""

    row: str
    properties: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace a row that must be there, at version ``etag`` unless that is ``None``."""

    row: str
    properties: Mapping[str, Property]
    etag: Etag | None


@dataclass(frozen=True, slots=True)
class Put:
    """Store a row, whether it is there or not."""

    row: str
    properties: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row that must be there, at version ``etag`` unless that is ``None``."""

    row: str
    etag: Etag | None


type Operation = Create | Replace | Put | Delete


@dataclass(frozen=True, slots=True)
class Done:
    """All operations took effect; the new version of each row, empty for removed ones."""

    etags: tuple[Etag, ...]


@dataclass(frozen=True, slots=True)
class Clash:
    """None took effect: the row of operation ``index`` is there, gone, or at another version."""

    index: int


def create_or_replace(row: str, properties: Mapping[str, Property], etag: Etag | None) -> Operation:
    """The write that expects version ``etag``, or no row when that is ``None``."""
    return Create(row, properties) if etag is None else Replace(row, properties, etag)
