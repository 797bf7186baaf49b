"""What can be wrong with an expression: with its text, or with the values it meets."""

from enum import StrEnum

from shared.domain.errors import FieldError, InvalidInput


class ExpressionError(InvalidInput):
    """The text is no expression; ``position`` is the offset of the fault, from 0."""

    code = "invalid-expression"

    def __init__(self, position: int, message: str) -> None:
        text = f"at offset {position}: {message}"
        super().__init__(text, (FieldError("", text),))
        self.position = position


class Fault(StrEnum):
    """Why an expression has no value for the values it was given."""

    MISSING_FIELD = "missing-field"
    DIVISION_BY_ZERO = "division-by-zero"
    OUT_OF_RANGE = "out-of-range"
    WRONG_TYPE = "wrong-type"


class EvaluationError(InvalidInput):
    """The expression has no value; ``position`` is the offset of the part that failed."""

    code = "invalid-expression-value"

    def __init__(self, position: int, fault: Fault, message: str) -> None:
        text = f"{fault}: {message} (at offset {position} of the expression)"
        super().__init__(text, (FieldError("", text),))
        self.position = position
        self.fault = fault


class MissingField(EvaluationError):
    """A field that the expression reads is not there; ``name`` says which."""

    def __init__(self, position: int, name: str) -> None:
        super().__init__(position, Fault.MISSING_FIELD, f"the field {name} is missing")
        self.name = name
