"""The parts an expression is made of, each with its offset in the text."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or a text that stands in the expression itself."""

    value: Decimal | str
    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a data field, or of another aggregation."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """``-`` or ``not`` before an operand."""

    operator: str
    operand: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``+ - * / % ^`` between two operands."""

    operator: str
    left: "Node"
    right: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``= != < <= > >=`` between two operands."""

    operator: str
    left: "Node"
    right: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Junction:
    """``and`` or ``or`` between two or more operands."""

    operator: str
    operands: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple["Node", ...]
    at: int


type Node = Literal | Field | Prefix | Arithmetic | Comparison | Junction | Call
