"""A compiled expression: what it reads and what it is worth."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from shared.domain.money import MAX_MAGNITUDE, MAX_PLACES, round_half_up
from shared.domain.usage.event import MAX_TEXT, DataValue
from shared.domain.usage.expression.compiler import Run, Values, compile_node
from shared.domain.usage.expression.faults import EvaluationError, Fault
from shared.domain.usage.expression.parser import parse
from shared.domain.usage.expression.syntax import (
    Arithmetic,
    Call,
    Comparison,
    Field,
    Junction,
    Literal,
    Node,
    Prefix,
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A formula over fields; ``names`` are the fields it may read. Equal texts are equal.

    Numbers are calculated with 34 digits, half up; conditions are 1 and 0. The operators, from the
    loosest: ``c ? a : b``, or, and, not, comparisons, ``+ -``, ``* / %``, unary minus, ``^`` (from
    the right). ``%`` has the sign of its left operand. ``round`` takes halves away from zero.
    A name with other characters than letters, digits, ``_`` and ``.`` stands in backticks.
    """

    text: str
    names: frozenset[str] = field(compare=False)
    _run: Run = field(compare=False, repr=False)

    def evaluate(self, values: Values) -> DataValue:
        """The value for these fields, ``None`` being the same as absent.

        Raises ``EvaluationError``; a field that is missing outside ``isnull`` and ``coalesce``
        raises its subclass ``MissingField``.
        """
        return self._run(values)

    def derive(self, values: Values) -> DataValue:
        """``evaluate``, as a value that an event may carry: 9 decimal places, below 10^15.

        Text has at most 512 characters. Raises ``EvaluationError``.
        """
        value = self._run(values)
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                message = f"the result has more than {MAX_TEXT} characters"
                raise EvaluationError(0, Fault.OUT_OF_RANGE, message)
            return value
        if value.copy_abs() < MAX_MAGNITUDE:
            measure = round_half_up(value, MAX_PLACES)
            if measure.copy_abs() < MAX_MAGNITUDE:
                return measure
        raise EvaluationError(0, Fault.OUT_OF_RANGE, "the result is not below 10^15")


def compile_expression(text: str) -> Expression:
    """The expression written in ``text``. Raises ``ExpressionError`` with the fault's offset."""
    node = parse(text)
    return Expression(text, frozenset(_names_of(node)), compile_node(node))


def _names_of(root: Node) -> Iterator[str]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        match node:
            case Literal():
                continue
            case Field():
                yield node.name
            case Prefix():
                waiting.append(node.operand)
            case Arithmetic() | Comparison():
                waiting += (node.left, node.right)
            case Junction():
                waiting += node.operands
            case Call():
                waiting += node.arguments
            case _:
                assert_never(node)
