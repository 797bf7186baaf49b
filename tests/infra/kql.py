"""The part of the Kusto query language that alerts and the workbook use, run over rows."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.infra.kql_functions import (
    AGGREGATES,
    COMPARISONS,
    FUNCTIONS,
    LISTS,
    NotKusto,
    Value,
)

type Row = dict[str, Value]
type Tables = Mapping[str, Sequence[Row]]
type Expression = Callable[[Row], Value]

RESERVED = {"first", "kind", "last", "latest", "shards", "title", "nodes"}
"""Some of the words that Kusto takes for names of columns only in brackets."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<verbatim>@"(?:[^"]|"")*"|@'(?:[^']|'')*')|(?P<text>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<span>\d+[smhd]\b)|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)"""
    r"""|(?P<sign>[=!<>]=|[|()\[\],;=<>/]))"""
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def query(text: str, tables: Tables, now: datetime) -> list[Row]:
    """The rows that a query gives. Raises ``NotKusto``."""
    return _Query(_tokens(text), dict(tables), now).run()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    value: Value = None


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if not match or match.lastgroup is None:
            raise NotKusto(f"not understood: {text[at : at + 30]}")
        found.append(_token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return [*found, _Token("end", "")]


def _token(kind: str, text: str) -> _Token:
    match kind:
        case "verbatim":
            return _Token("value", text, text[2:-1].replace(text[1] * 2, text[1]))
        case "text":
            return _Token("value", text, json.loads(text))
        case "span":
            return _Token("value", text, timedelta(seconds=int(text[:-1]) * _SECONDS[text[-1]]))
        case "number":
            return _Token("value", text, float(text) if "." in text else int(text))
        case _:
            return _Token(kind, text)


class _Query:
    def __init__(
        self, tokens: list[_Token], tables: dict[str, Sequence[Row]], now: datetime
    ) -> None:
        self._left = tokens
        self._tables = tables
        self._now = now

    def run(self) -> list[Row]:
        while self._take("let"):
            name = self._name()
            self._need("=")
            self._tables[name] = self._pipeline()
            self._need(";")
        rows = self._pipeline()
        if self._left[0].kind != "end":
            raise NotKusto(f"unexpected: {self._left[0].text}")
        return rows

    def _take(self, text: str) -> bool:
        found = self._left[0].kind != "value" and self._left[0].text == text
        if found:
            self._left.pop(0)
        return found

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise NotKusto(f"expected {text} before {self._left[0].text}")

    def _name(self) -> str:
        token = self._left.pop(0)
        if token.kind != "name" or token.text in RESERVED:
            raise NotKusto(f"no name: {token.text}")
        return token.text

    def _pipeline(self) -> list[Row]:
        rows = self._source()
        operators = {
            "where": self._where, "extend": self._extend, "project": self._project,
            "summarize": self._summarize, "mv-expand": self._expand, "order": self._order,
        }  # fmt: skip
        while self._take("|"):
            name = self._left.pop(0).text
            if name not in operators:
                raise NotKusto(f"no such operator: {name}")
            rows = operators[name](rows)
        return rows

    def _source(self) -> list[Row]:
        if self._take("union"):
            rows = self._source()
            while self._take(","):
                rows = rows + self._source()
            return rows
        if self._take("("):
            rows = self._pipeline()
            self._need(")")
            return rows
        name = self._name()
        if name not in self._tables:
            raise NotKusto(f"no such table: {name}")
        return [dict(row) for row in self._tables[name]]

    def _where(self, rows: list[Row]) -> list[Row]:
        holds = self._expression()
        return [row for row in rows if holds(row) is True]

    def _extend(self, rows: list[Row]) -> list[Row]:
        for name, value in self._named():
            rows = [row | {name: value(row)} for row in rows]
        return rows

    def _project(self, rows: list[Row]) -> list[Row]:
        columns = self._named()
        return [{name: value(row) for name, value in columns} for row in rows]

    def _expand(self, rows: list[Row]) -> list[Row]:
        ((name, value),) = self._named()
        for word in ("to", "typeof", "(", "string", ")"):
            self._need(word)
        return [row | {name: item} for row in rows for item in value(row) or [None]]

    def _order(self, rows: list[Row]) -> list[Row]:
        self._need("by")
        name = self._name()
        return sorted(rows, key=lambda row: row[name], reverse=self._take("desc"))

    def _summarize(self, rows: list[Row]) -> list[Row]:
        aggregates = self._named(self._aggregate)
        keys = self._named() if self._take("by") else []
        groups: dict[tuple[Value, ...], list[Row]] = {} if keys else {(): []}
        for row in rows:
            groups.setdefault(tuple(value(row) for _, value in keys), []).append(row)
        return [
            dict(zip((name for name, _ in keys), group, strict=True))
            | {name: aggregate(members) for name, aggregate in aggregates}
            for group, members in groups.items()
        ]

    def _named(self, read: Callable[[], Any] | None = None) -> list[tuple[str, Any]]:
        """Expressions with their names: given ones, else that of the column or function."""
        found: list[tuple[str, Any]] = []
        while not found or self._take(","):
            if self._left[1].text == "=":
                name = self._name()
                self._need("=")
            elif self._left[0].text == "bin":
                name = self._left[2].text
            else:
                name = self._left[0].text
            found.append((name, (read or self._expression)()))
        return found

    def _aggregate(self) -> Callable[[Sequence[Row]], Value]:
        function = self._name()
        self._need("(")
        arguments: list[Expression] = []
        while not self._take(")"):
            arguments.append(self._expression())
            self._take(",")
        if function not in AGGREGATES:
            raise NotKusto(f"no such aggregate: {function}")
        divisor = self._left.pop(0).value if self._take("/") else None

        def over(rows: Sequence[Row]) -> Value:
            columns = [[argument(row) for row in rows] for argument in arguments]
            found = AGGREGATES[function](rows, *columns)
            return found if divisor is None else found / divisor

        return over

    def _expression(self) -> Expression:
        left = self._conjunction()
        while self._take("or"):
            left = _either(left, self._conjunction())
        return left

    def _conjunction(self) -> Expression:
        left = self._comparison()
        while self._take("and"):
            left = _both(left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._primary()
        for sign, compare in COMPARISONS.items():
            if self._take(sign):
                return _compared(compare, left, self._primary())
        for word in ("in", "has_any"):
            if self._take(word):
                return _compared(LISTS[word], left, self._list())
        return left

    def _list(self) -> Expression:
        self._need("(")
        values: list[Value] = []
        while not self._take(")"):
            values.append(self._left.pop(0).value)
            self._take(",")
        return lambda _: values

    def _primary(self) -> Expression:
        token = self._left.pop(0)
        value: Expression
        if token.kind == "value":
            return lambda _: token.value
        if token.text == "(":
            value = self._expression()
            self._need(")")
        elif token.kind != "name" or token.text in RESERVED:
            raise NotKusto(f"unexpected: {token.text}")
        elif token.text in {"true", "false"}:
            return lambda _: token.text == "true"
        elif self._take("("):
            value = self._call(token.text)
        else:
            value = _column(token.text)
        return self._indexed(value)

    def _indexed(self, value: Expression) -> Expression:
        if not self._take("["):
            return value
        key = self._expression()
        self._need("]")
        return lambda row: _member(value(row), key(row))

    def _call(self, function: str) -> Expression:
        arguments: list[Expression] = []
        while not self._take(")"):
            arguments.append(self._expression())
            self._take(",")
        if function == "ago":
            return lambda row: self._now - arguments[0](row)
        if function not in FUNCTIONS:
            raise NotKusto(f"no such function: {function}")
        compute = FUNCTIONS[function]
        return lambda row: compute(*(argument(row) for argument in arguments))


def _column(name: str) -> Expression:
    return lambda row: row[name]


def _member(value: Value, key: Value) -> Value:
    """A part of a dynamic value; null where there is none."""
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def _either(left: Expression, right: Expression) -> Expression:
    return lambda row: left(row) is True or right(row) is True


def _both(left: Expression, right: Expression) -> Expression:
    return lambda row: left(row) is True and right(row) is True


def _compared(
    compare: Callable[[Value, Value], bool], left: Expression, right: Expression
) -> Expression:
    """Nothing compares with null."""

    def holds(row: Row) -> bool:
        one, other = left(row), right(row)
        return one is not None and other is not None and compare(one, other)

    return holds
