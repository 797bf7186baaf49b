"""Turns a tree into closures, so that evaluating is a few calls and as many steps as parts."""

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import assert_never

from shared.domain.money import ONE, ZERO, to_text
from shared.domain.usage.event import DataValue
from shared.domain.usage.expression.faults import EvaluationError, Fault, MissingField
from shared.domain.usage.expression.functions import BOUNDED, FUNCTIONS, Function, power
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

type Values = Mapping[str, DataValue | None]
type Run = Callable[[Values], DataValue]

_ARITHMETIC: Mapping[str, Function] = {
    "+": BOUNDED.add,
    "-": BOUNDED.subtract,
    "*": BOUNDED.multiply,
    "/": BOUNDED.divide,
    "%": BOUNDED.remainder,
    "^": power,
}
_COMPARISONS: Mapping[str, Callable[[DataValue, DataValue], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FOR_TEXTS = ("=", "!=")


def compile_node(node: Node) -> Run:
    """A function from values to the value of ``node``; it raises ``EvaluationError``.

    There are no loops over data, so a call takes at most as many steps as the tree has nodes.
    """
    match node:
        case Literal():
            value = node.value
            return lambda _: value
        case Field():
            return _field(node.name, node.at)
        case Prefix():
            return _prefix(node)
        case Arithmetic():
            return _arithmetic(node)
        case Comparison():
            return _comparison(node)
        case Junction():
            return _junction(node)
        case Call():
            return _call(node)
        case _:
            assert_never(node)


def _field(name: str, at: int) -> Run:
    def run(values: Values) -> DataValue:
        value = values.get(name)
        if value is None:
            raise MissingField(at, name)
        return value

    return run


def _apply(function: Function, symbol: str, at: int, arguments: tuple[DataValue, ...]) -> DataValue:
    try:
        return function(*arguments)
    except (ArithmeticError, TypeError) as error:
        raise _fault(symbol, at, arguments, error) from error


def _fault(
    symbol: str, at: int, arguments: tuple[DataValue, ...], error: Exception
) -> EvaluationError:
    shown = ", ".join(to_text(a) if isinstance(a, Decimal) else "a text" for a in arguments)
    if isinstance(error, TypeError):
        return EvaluationError(at, Fault.WRONG_TYPE, f'"{symbol}" needs numbers, got {shown}')
    if isinstance(error, ZeroDivisionError) or (symbol in ("/", "%") and not arguments[1]):
        return EvaluationError(at, Fault.DIVISION_BY_ZERO, f'"{symbol}" of {shown}')
    return EvaluationError(at, Fault.OUT_OF_RANGE, f'"{symbol}" of {shown} has no bounded result')


def _arithmetic(node: Arithmetic) -> Run:
    """The left spine in one loop: long sums need no deep recursion, and few calls."""
    steps: list[tuple[Function, Run, str, int]] = []
    left: Node = node
    while isinstance(left, Arithmetic):
        step = (_ARITHMETIC[left.operator], compile_node(left.right), left.operator, left.at)
        steps.append(step)
        left = left.left
    first, rest = compile_node(left), tuple(reversed(steps))

    def run(values: Values) -> DataValue:
        result = first(values)
        for function, operand, symbol, at in rest:
            right = operand(values)
            try:
                result = function(result, right)
            except (ArithmeticError, TypeError) as error:
                raise _fault(symbol, at, (result, right), error) from error
        return result

    return run


def _prefix(node: Prefix) -> Run:
    symbol, at = node.operator, node.at
    if symbol == "not":
        holds = _condition(node.operand)
        return lambda values: ZERO if holds(values) else ONE
    operand = compile_node(node.operand)
    return lambda values: _apply(BOUNDED.minus, symbol, at, (operand(values),))


def _condition(node: Node) -> Callable[[Values], bool]:
    """Whether ``node`` is a number other than zero; a text is no condition."""
    operand, at = compile_node(node), node.at

    def holds(values: Values) -> bool:
        value = operand(values)
        if isinstance(value, str):
            raise EvaluationError(at, Fault.WRONG_TYPE, "a condition is a number, got a text")
        return bool(value)

    return holds


def _comparison(node: Comparison) -> Run:
    left, right = compile_node(node.left), compile_node(node.right)
    symbol, at = node.operator, node.at
    compare, for_texts = _COMPARISONS[symbol], symbol in _FOR_TEXTS

    def run(values: Values) -> DataValue:
        one, other = left(values), right(values)
        is_text = isinstance(one, str)
        if is_text is not isinstance(other, str):
            message = f'"{symbol}" compares a number with a text'
            raise EvaluationError(at, Fault.WRONG_TYPE, message)
        if is_text and not for_texts:
            raise EvaluationError(at, Fault.WRONG_TYPE, f'"{symbol}" compares numbers, got texts')
        return ONE if compare(one, other) else ZERO

    return run


def _junction(node: Junction) -> Run:
    conditions = tuple(_condition(operand) for operand in node.operands)
    decisive = node.operator == "or"

    def run(values: Values) -> DataValue:
        for holds in conditions:
            if holds(values) is decisive:
                return ONE if decisive else ZERO
        return ZERO if decisive else ONE

    return run


def _call(node: Call) -> Run:
    match node.function:
        case "if":
            return _choice(node)
        case "isnull":
            return _is_null(compile_node(node.arguments[0]))
        case "coalesce":
            return _coalesce(tuple(compile_node(argument) for argument in node.arguments))
        case name:
            function = FUNCTIONS[name]
            arguments = tuple(compile_node(argument) for argument in node.arguments)
            return lambda values: _apply(
                function, name, node.at, tuple(argument(values) for argument in arguments)
            )


def _choice(node: Call) -> Run:
    condition, then, otherwise = node.arguments
    holds, one, other = _condition(condition), compile_node(then), compile_node(otherwise)
    return lambda values: one(values) if holds(values) else other(values)


def _is_null(operand: Run) -> Run:
    def run(values: Values) -> DataValue:
        try:
            operand(values)
        except MissingField:
            return ONE
        return ZERO

    return run


def _coalesce(operands: tuple[Run, ...]) -> Run:
    *optional, last = operands

    def run(values: Values) -> DataValue:
        for operand in optional:
            try:
                return operand(values)
            except MissingField:
                continue
        return last(values)

    return run
