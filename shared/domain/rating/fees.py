"""Fees by the event: what a percentage with bounds costs of each event, kept as sums of usage."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.ids import FieldCode
from shared.domain.money import MAX_MAGNITUDE, MAX_PLACES, round_half_up, to_text
from shared.domain.rating.percentage import Percentage, per_event_fee


@dataclass(frozen=True, slots=True)
class Fee:
    """The fee of each event that has ``field``, by a ``model`` with bounds.

    A sum of values cannot tell it later, so it is worked out when the event arrives and kept like
    a derived field: at nine decimal places, below 10^15.
    """

    field: FieldCode
    model: Percentage

    @property
    def name(self) -> str:
        """The field that it is kept in: one of its own for all that the fee depends on, which no
        field of a meter can be called."""
        model = self.model
        figures = (
            model.bands[0].percent,
            model.fixed_per_event,
            model.minimum_per_event,
            model.maximum_per_event,
        )
        text = "|".join("" if figure is None else to_text(figure) for figure in figures)
        digest = hashlib.blake2b(f"{self.field}|{text}".encode(), digest_size=8)
        return f"fee:{digest.hexdigest()}"

    def of(self, data: Mapping[str, Decimal | str]) -> Decimal | None:
        """The fee of an event with these fields; ``None`` when it has no such number. Raises
        ``OverflowError`` for a fee that no usage can carry."""
        value = data.get(self.field)
        if not isinstance(value, Decimal):
            return None
        fee = per_event_fee(self.model, value)
        if fee >= MAX_MAGNITUDE:
            raise OverflowError(f"the fee of {to_text(value)} {self.field} is not below 10^15")
        return round_half_up(fee, MAX_PLACES)
