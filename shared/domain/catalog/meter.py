"""A meter: the shape of the usage data that a product reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from shared.domain.errors import FieldError
from shared.domain.ids import FieldCode, MeterCode, ProductCode
from shared.domain.money import fault_of_measure
from shared.domain.usage.event import MAX_TEXT, DataValue
from shared.domain.wire import WIRE


class FieldCategory(StrEnum):
    """What a data field tells: measures, incomes and costs are numbers, the others text."""

    WHO = "WHO"
    WHAT = "WHAT"
    WHERE = "WHERE"
    OTHER = "OTHER"
    METADATA = "METADATA"
    MEASURE = "MEASURE"
    INCOME = "INCOME"
    COST = "COST"

    @property
    def numeric(self) -> bool:
        """Whether values of this category are numbers."""
        return self in (FieldCategory.MEASURE, FieldCategory.INCOME, FieldCategory.COST)


@dataclass(frozen=True, slots=True)
class DataField:
    """One field of a meter's data. A required field must stand in every event."""

    __pydantic_config__: ClassVar = WIRE

    code: FieldCode
    category: FieldCategory
    name: str = ""
    unit: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class DerivedField:
    """A field that is calculated from an event's others when the event arrives.

    The ``expression`` may read data fields, derived fields that stand before it, and ``custom.``
    fields of product and organization. Its category says whether it is a number or a text.
    """

    __pydantic_config__: ClassVar = WIRE

    code: FieldCode
    expression: str
    category: FieldCategory = FieldCategory.MEASURE
    name: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Meter:
    """Collects usage of a product, or of all products when ``product`` is ``None``."""

    __pydantic_config__: ClassVar = WIRE

    code: MeterCode
    data_fields: tuple[DataField, ...] = ()
    product: ProductCode | None = None
    name: str = ""
    derived_fields: tuple[DerivedField, ...] = ()

    def categories(self) -> dict[FieldCode, FieldCategory]:
        """The category of every field, given or derived."""
        fields = {field.code: field.category for field in self.data_fields}
        return fields | {field.code: field.category for field in self.derived_fields}

    def faults_of(self, data: Mapping[str, DataValue]) -> tuple[FieldError, ...]:
        """What is wrong with an event's data for this meter; pointers are relative to it."""
        faults: list[FieldError] = []
        known = 0
        for field in self.data_fields:
            value = data.get(field.code)
            if value is None:
                if field.required:
                    faults.append(FieldError(f"/{field.code}", "is required by this meter"))
                continue
            known += 1
            message = _fault_of_value(field, value)
            if message is not None:
                faults.append(FieldError(f"/{field.code}", message))
        if known < len(data):
            names = {field.code for field in self.data_fields}
            faults += [
                FieldError(f"/{name}", f"is not a data field of meter {self.code}")
                for name in data
                if name not in names
            ]
        return tuple(faults)


def _fault_of_value(field: DataField, value: DataValue) -> str | None:
    if not field.category.numeric:
        if not isinstance(value, str):
            return "must be text"
        return None if len(value) <= MAX_TEXT else f"must have at most {MAX_TEXT} characters"
    if not isinstance(value, Decimal):
        return "must be a number"
    return fault_of_measure(value) or fault_of_sign(value)


def fault_of_sign(value: Decimal) -> str | None:
    """Why a measured value cannot be negative, or ``None`` when it is not."""
    if value < 0:
        return "must not be negative: what was used cannot be taken back"
    return None
