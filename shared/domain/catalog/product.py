"""A product: the container of meters, aggregations and plans."""

from dataclasses import dataclass, field
from typing import ClassVar

from shared.domain.catalog.custom import CustomFields
from shared.domain.ids import ProductCode
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Product:
    """What a publisher sells."""

    __pydantic_config__: ClassVar = WIRE

    code: ProductCode
    name: str = ""
    custom: CustomFields = field(default_factory=dict)
