"""Statistics of many partials, worked out only as far as somebody asks for them."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from functools import cached_property

from shared.domain.money import EXACT, ZERO
from shared.domain.usage.event import DataValue
from shared.domain.usage.partial import Distinct, FieldStats, Moment, Partial


class GatheredField:
    """What a field's ``FieldStats`` would be once these partials were merged.

    Nearly always all of them have it, so they are not asked first.
    """

    def __init__(self, partials: Sequence[Partial], name: str) -> None:
        self._partials = partials
        self._name = name

    @cached_property
    def _stats(self) -> list[FieldStats]:
        name = self._name
        try:
            return [partial.fields[name] for partial in self._partials]
        except KeyError:
            return [p.fields[name] for p in self._partials if name in p.fields]

    @property
    def used(self) -> bool:
        """Whether any event had the field."""
        found = (partial.fields.get(self._name) for partial in self._partials)
        return any(stats is not None and stats.count for stats in found)

    @property
    def numeric(self) -> bool:
        """Whether any event had a number in it."""
        found = (partial.fields.get(self._name) for partial in self._partials)
        return any(stats is not None and stats.least is not None for stats in found)

    @cached_property
    def count(self) -> int:
        """How many events had it."""
        return sum([each.count for each in self._stats])

    @cached_property
    def total(self) -> Decimal:
        """The exact sum of its numbers."""
        name = self._name
        with localcontext(EXACT):
            try:
                return sum([partial.fields[name].total for partial in self._partials], ZERO)
            except KeyError:
                return sum([each.total for each in self._stats], ZERO)

    @cached_property
    def least(self) -> Decimal | None:
        """The smallest number."""
        found = [each.least for each in self._stats if each.least is not None]
        return min(found, default=None)

    @cached_property
    def greatest(self) -> Decimal | None:
        """The largest number."""
        found = [each.greatest for each in self._stats if each.greatest is not None]
        return max(found, default=None)

    @cached_property
    def first(self) -> tuple[Moment, DataValue] | None:
        """The earliest value."""
        marks = [each.first for each in self._stats if each.first is not None]
        return min(marks, key=lambda mark: mark[0], default=None)

    @cached_property
    def latest(self) -> tuple[Moment, DataValue] | None:
        """The latest value."""
        marks = [each.latest for each in self._stats if each.latest is not None]
        return max(marks, key=lambda mark: mark[0], default=None)

    @cached_property
    def distinct(self) -> Distinct | None:
        """Its different values, where they are kept."""
        kept = [each.distinct for each in self._stats if each.distinct is not None]
        if not kept:
            return None
        union = Distinct()
        for each in kept:
            union.merge(each)
        return union


class Gathered(Mapping[str, GatheredField]):
    """The fields of some partials by name, as if they were one partial."""

    def __init__(self, partials: Sequence[Partial]) -> None:
        self.partials = partials
        self._known: dict[str, GatheredField | None] = {}

    @cached_property
    def events(self) -> int:
        """How many events they are made of."""
        return sum([partial.events for partial in self.partials])

    @property
    def fields(self) -> Mapping[str, GatheredField]:
        """The fields, as ``Partial`` has them."""
        return self

    def __getitem__(self, name: str) -> GatheredField:
        if name not in self._known:
            known = any(name in partial.fields for partial in self.partials)
            self._known[name] = GatheredField(self.partials, name) if known else None
        found = self._known[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter({name: None for partial in self.partials for name in partial.fields})

    def __len__(self) -> int:
        return sum(1 for _ in self)
