"""Refused input in memory."""

from collections.abc import Iterable, Sequence

from shared.ports import RefusedInput


class FakeRefusals:
    """The first of an id stays."""

    def __init__(self) -> None:
        self._kept: dict[str, RefusedInput] = {}

    def keep(self, refused: Sequence[RefusedInput]) -> None:
        for item in refused:
            self._kept.setdefault(item.id, item)

    def all(self, after: str = "") -> Iterable[RefusedInput]:
        return [self._kept[id_] for id_ in sorted(self._kept) if id_ > after]

    def drop(self, id_: str) -> None:
        self._kept.pop(id_, None)
