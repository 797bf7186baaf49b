"""Custom usage: events that bring unit, price and currency along (semantics, rules 28 and 29)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.custom import CustomFields
from shared.domain.catalog.intake import NONE, Intake, Taken
from shared.domain.catalog.meter import DataField, FieldCategory, Meter
from shared.domain.catalog.segment import key_of
from shared.domain.errors import FieldError
from shared.domain.ids import AggregationCode, FieldCode, MeterCode
from shared.domain.money import EXACT
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.event import DataValue

CUSTOM_METER: Final = MeterCode("custom")
CUSTOM_USAGE: Final = AggregationCode("custom")
"""Every catalogue has this meter and this aggregation; none may define its own of that code."""

UNIT, CURRENCY, BILLABLE = FieldCode("unit"), FieldCode("currency"), FieldCode("billable")
DESCRIPTION, QUANTITY = FieldCode("description"), FieldCode("quantity")
UNIT_PRICE, AMOUNT = FieldCode("unitPrice"), FieldCode("amount")

METER = Meter(
    CUSTOM_METER,
    (
        DataField(UNIT, FieldCategory.WHAT),
        DataField(CURRENCY, FieldCategory.OTHER),
        DataField(DESCRIPTION, FieldCategory.OTHER, required=False),
        DataField(BILLABLE, FieldCategory.OTHER, required=False),
        DataField(QUANTITY, FieldCategory.MEASURE),
        DataField(UNIT_PRICE, FieldCategory.INCOME),
    ),
    name="Custom usage",
)
AGGREGATION = Aggregation(
    CUSTOM_USAGE, CUSTOM_METER, AggregationType.SUM, QUANTITY, name="Custom usage"
)
SPLIT = (BILLABLE, CURRENCY, UNIT)
"""What is kept apart: each combination is a line of its own."""

MAX_UNIT = 64
MAX_AMOUNT: Final = Decimal(10) ** 12
"""An event costs less than this. With up to 18 decimal places, sums of ten thousand of the
dearest ones are still exact in 34 digits."""


@dataclass(frozen=True, slots=True)
class CustomIntake(Intake):
    """What becomes of custom usage: the exact amount of each event beside its quantity."""

    currencies: frozenset[str] = frozenset()

    def take(
        self,
        data: Mapping[str, DataValue],
        own: CustomFields = NONE,  # noqa: ARG002 - no expression reads it
    ) -> Taken | tuple[FieldError, ...]:
        """See ``Intake``; the currency must be one that can be converted."""
        faults = self.meter.faults_of(data) or tuple(self._faults(data))
        if faults:
            return tuple(FieldError("/data" + f.pointer, f.message) for f in faults)
        return self.take_again(data)

    def take_again(
        self,
        data: Mapping[str, DataValue],
        own: CustomFields = NONE,  # noqa: ARG002 - no expression reads it
    ) -> Taken:
        """See ``Intake``. What is the same in all of a part is not kept in its statistics."""
        known: dict[str, DataValue] = {BILLABLE: "true", DESCRIPTION: "", **data}
        counted: dict[str, DataValue] = {
            QUANTITY: known[QUANTITY],
            AMOUNT: _amount(data),
            DESCRIPTION: known[DESCRIPTION],
        }
        return Taken(counted, key_of(SPLIT, known))

    def _faults(self, data: Mapping[str, DataValue]) -> Iterator[FieldError]:
        if not 0 < len(str(data[UNIT])) <= MAX_UNIT:
            yield FieldError(f"/{UNIT}", f"must have 1 to {MAX_UNIT} characters")
        if data[CURRENCY] not in self.currencies:
            known = ", ".join(sorted(self.currencies))
            message = f"has no exchange rate in the catalogue; known are {known}"
            yield FieldError(f"/{CURRENCY}", message)
        if data.get(BILLABLE, "true") not in ("true", "false"):
            yield FieldError(f"/{BILLABLE}", "must be true or false")
        if _amount(data) >= MAX_AMOUNT:
            message = f"times {UNIT_PRICE} must be below {MAX_AMOUNT:,}"
            yield FieldError(f"/{QUANTITY}", message)


def _amount(data: Mapping[str, DataValue]) -> Decimal:
    quantity, price = data[QUANTITY], data[UNIT_PRICE]
    if not isinstance(quantity, Decimal) or not isinstance(price, Decimal):
        raise AssertionError("custom usage without numbers was taken")
    return EXACT.multiply(quantity, price)


def custom_intake(currencies: set[str]) -> CustomIntake:
    """What to do with custom usage in these currencies."""
    return CustomIntake(METER, SPLIT, frozenset(), {}, (), (), frozenset(currencies))
