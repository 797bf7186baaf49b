"""Reads tokens into a tree, by precedence climbing with a bound on nesting."""

from collections.abc import Callable
from decimal import Decimal

from shared.domain.usage.expression.faults import ExpressionError
from shared.domain.usage.expression.functions import BOUNDED, form_of, unknown_function
from shared.domain.usage.expression.lexer import Kind, Token, tokens_of
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

MAX_LENGTH = 2_000
MAX_NESTING = 24
"""Parentheses, calls, conditionals, prefixes and powers inside each other. Together with the seven
levels of precedence it keeps reading and evaluating far from Python's recursion limit."""

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _MINUS, _POWER = range(1, 9)

_LEVELS = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">="), _COMPARE),
    **dict.fromkeys(("+", "-"), _SUM),
    **dict.fromkeys(("*", "/", "%"), _PRODUCT),
    "^": _POWER,
}
_PREFIXES = {"-": _MINUS, "not": _NOT}


def parse(text: str) -> Node:
    """The tree of ``text``. Raises ``ExpressionError`` with the offset of the first fault."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(MAX_LENGTH, f"an expression has at most {MAX_LENGTH} characters")
    parser = _Parser(text)
    node = parser.expression()
    parser.expect_end()
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tuple(tokens_of(text))
        self._next = 0
        self._nesting = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def _expect(self, operator: str, purpose: str) -> None:
        if not self._token.is_operator(operator):
            raise self._unexpected(f'expected "{operator}" {purpose}')
        self._next += 1

    def _unexpected(self, expected: str) -> ExpressionError:
        return ExpressionError(self._token.at, f"{expected}, found {self._token}")

    def _nested(self, read: Callable[[], Node]) -> Node:
        if self._nesting == MAX_NESTING:
            raise ExpressionError(self._token.at, f"nested deeper than {MAX_NESTING} levels")
        self._nesting += 1
        node = read()
        self._nesting -= 1
        return node

    def expect_end(self) -> None:
        """Refuse anything after a whole expression."""
        if self._token.kind is not Kind.END:
            raise self._unexpected("expected an operator or the end")

    def expression(self) -> Node:
        """A conditional ``c ? a : b``, or anything that binds tighter."""
        condition = self._binary(_OR)
        if not self._token.is_operator("?"):
            return condition
        mark = self._take()
        then = self._nested(self.expression)
        self._expect(":", 'and the other value of "?"')
        otherwise = self._nested(self.expression)
        return Call("if", (condition, then, otherwise), mark.at)

    def _binary(self, least: int) -> Node:
        left = self._operand()
        compared = False
        while (level := _LEVELS.get(self._token.text, 0) if self._at_operator else 0) >= least:
            if level == _COMPARE and compared:
                message = 'comparisons are not chained; join them with "and"'
                raise ExpressionError(self._token.at, message)
            compared = level == _COMPARE
            left = self._operation(left, self._take(), level)
        return left

    @property
    def _at_operator(self) -> bool:
        return self._token.kind is Kind.OPERATOR

    def _operation(self, left: Node, mark: Token, level: int) -> Node:
        operator, at = mark.text, mark.at
        if level == _POWER:
            right = self._nested(lambda: self._binary(_POWER))
            return Arithmetic(operator, left, right, at)
        right = self._binary(level + 1)
        if level == _COMPARE:
            return Comparison(operator, left, right, at)
        if level > _COMPARE:
            return Arithmetic(operator, left, right, at)
        if isinstance(left, Junction) and left.operator == operator:
            return Junction(operator, (*left.operands, right), left.at)
        return Junction(operator, (left, right), at)

    def _operand(self) -> Node:
        token = self._token
        match token.kind:
            case Kind.NUMBER:
                return self._number()
            case Kind.TEXT:
                return Literal(self._take().text, token.at)
            case Kind.NAME:
                return self._name()
            case Kind.OPERATOR if token.text in _PREFIXES:
                self._take()
                operand = self._nested(lambda: self._binary(_PREFIXES[token.text]))
                return Prefix(token.text, operand, token.at)
            case Kind.OPERATOR if token.text == "(":
                self._take()
                inner = self._nested(self.expression)
                self._expect(")", f'to close the "(" at offset {token.at}')
                return inner
            case _:
                raise self._unexpected("expected a number, a text, a field or a function")

    def _number(self) -> Node:
        token = self._take()
        number = Decimal(token.text)
        if number.adjusted() > BOUNDED.Emax:
            raise ExpressionError(token.at, f"a number is below 10^{BOUNDED.Emax + 1}")
        return Literal(number, token.at)

    def _name(self) -> Node:
        token = self._take()
        if token.quoted or not self._token.is_operator("("):
            return Field(token.text, token.at)
        form = form_of(token.text)
        if form is None:
            raise ExpressionError(token.at, unknown_function(token.text))
        self._take()
        arguments = self._arguments(token)
        if not form.least <= len(arguments) <= form.most:
            message = f"{form.usage} does not take {len(arguments)} arguments"
            raise ExpressionError(token.at, message)
        return Call(form.name, arguments, token.at)

    def _arguments(self, function: Token) -> tuple[Node, ...]:
        arguments: list[Node] = []
        if not self._token.is_operator(")"):
            arguments.append(self._nested(self.expression))
            while self._token.is_operator(","):
                self._take()
                arguments.append(self._nested(self.expression))
        self._expect(")", f"after the arguments of {function.text}")
        return tuple(arguments)
