"""What ingestion does with an event of a meter: checks it, derives fields, finds its segment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.custom import CustomFields, overridden
from shared.domain.catalog.meter import DerivedField, Meter, fault_of_sign
from shared.domain.catalog.segment import SegmentKey, key_of
from shared.domain.errors import FieldError
from shared.domain.ids import FieldCode
from shared.domain.rating.fees import Fee
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.event import DataValue
from shared.domain.usage.expression import EvaluationError, Expression, compile_expression


@dataclass(frozen=True, slots=True)
class Taken:
    """An event's fields, the derived ones included, and the part of usage it belongs to."""

    data: Mapping[str, DataValue]
    segment: SegmentKey


NONE: CustomFields = {}

type _Derivation = tuple[DerivedField, Expression]


@dataclass(frozen=True, slots=True)
class Intake:
    """What one version of the catalogue makes of a meter's events: a pure function of them.

    ``segment_fields`` are all that some aggregation of the meter is segmented by, sorted;
    ``unique_fields`` those whose different values are counted; ``custom`` what expressions see;
    ``fees`` what prices with bounds per event need of each.
    """

    meter: Meter
    segment_fields: tuple[FieldCode, ...]
    unique_fields: frozenset[str]
    custom: Mapping[str, DataValue]
    derivations: tuple[_Derivation, ...]
    fees: tuple[Fee, ...] = ()

    def take(
        self, data: Mapping[str, DataValue], own: CustomFields = NONE
    ) -> Taken | tuple[FieldError, ...]:
        """The event's usage, or everything that is wrong with it; pointers begin at the event.

        ``own`` are custom fields of the event's account.
        """
        faults = self.meter.faults_of(data)
        if faults:
            return tuple(FieldError("/data" + f.pointer, f.message) for f in faults)
        if not self.derivations and not self.fees:
            return Taken(data, key_of(self.segment_fields, data))
        errors: list[FieldError] = []
        taken = self._derived(data, own, errors)
        return taken if not errors else tuple(errors)

    def take_again(self, data: Mapping[str, DataValue], own: CustomFields = NONE) -> Taken:
        """The usage of an event that was accepted before, perhaps under other rules: it counts
        whatever these say, and lacks the derived fields that cannot be made of it."""
        return self._derived(data, own, [])

    def covers(self, older: "Intake") -> bool:
        """Whether what ``older`` made of events has all that this needs of them."""
        return (
            set(self.segment_fields) <= set(older.segment_fields)
            and self.unique_fields <= older.unique_fields
            and set(self.formulas()) <= set(older.formulas())
            and set(self.fees) <= set(older.fees)
        )

    def formulas(self) -> Iterable[tuple[object, ...]]:
        """Derived fields with all that their values depend on."""
        seen: dict[str, tuple[object, ...]] = {}
        for field, expression in self.derivations:
            reads = sorted(expression.names)
            custom = tuple((name, self.custom.get(name)) for name in reads if name in self.custom)
            inner = tuple(seen[name] for name in reads if name in seen)
            seen[field.code] = (field.code, field.category.numeric, expression.text, custom, inner)
        return seen.values()

    def _derived(
        self, data: Mapping[str, DataValue], own: CustomFields, errors: list[FieldError]
    ) -> Taken:
        custom = overridden(self.custom, own) if own else self.custom
        values: dict[str, DataValue] = {**custom, **data}
        made: dict[str, DataValue] = dict(data)
        for field, expression in self.derivations:
            try:
                value = expression.derive(values)
            except EvaluationError as exc:
                errors.append(_fault(field, str(exc)))
                continue
            fault = _fault_of_kind(field, value)
            if fault is not None:
                errors.append(_fault(field, fault))
                continue
            values[field.code] = made[field.code] = value
        segment = key_of(self.segment_fields, made)
        for fee in self.fees:
            try:
                amount = fee.of(made)
            except OverflowError as exc:
                errors.append(FieldError(f"/data/{fee.field}", str(exc)))
                continue
            if amount is not None:
                made[fee.name] = amount
        return Taken(made, segment)


def _fault(field: DerivedField, message: str) -> FieldError:
    return FieldError("/data", f"derived field {field.code}: {message}")


def _fault_of_kind(field: DerivedField, value: DataValue) -> str | None:
    if isinstance(value, Decimal) is not field.category.numeric:
        wanted = "a number" if field.category.numeric else "a text"
        return f"wrong-type: {field.category} fields are {wanted}"
    return fault_of_sign(value) if isinstance(value, Decimal) else None


def intake_of(
    meter: Meter,
    aggregations: Sequence[Aggregation],
    custom: Mapping[str, DataValue],
    fees: Iterable[Fee] = (),
) -> Intake:
    """What to do with the events of ``meter``, given the aggregations that work on it.

    Raises ``ExpressionError`` for a derived field that cannot be compiled.
    """
    fields = {name for aggregation in aggregations for name in aggregation.segmented_fields}
    unique = frozenset(
        aggregation.field
        for aggregation in aggregations
        if aggregation.type is AggregationType.UNIQUE and aggregation.field is not None
    )
    derivations = tuple((f, compile_expression(f.expression)) for f in meter.derived_fields)
    return Intake(meter, tuple(sorted(fields)), unique, custom, derivations, tuple(fees))
