"""Operators, functions and aggregates of the Kusto query language, as far as queries use them."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

type Value = Any
"""A value of Kusto: null is ``None``, dynamic is what JSON parses to."""


class NotKusto(Exception):
    """A query that Kusto would refuse, or that this part of the language does not have."""


def _has(text: str, term: str) -> bool:
    """Whole terms, in any case: what stands before and after is no letter and no digit."""
    edges = [r"(?<![A-Za-z0-9])" * term[:1].isalnum(), r"(?![A-Za-z0-9])" * term[-1:].isalnum()]
    return re.search(re.escape(term).join(edges), text, re.IGNORECASE) is not None


def _extract(pattern: str, group: int, text: str) -> str | None:
    """RE2, which has neither looking around nor backward references."""
    if re.search(r"\(\?<?[=!]|\\[1-9]", pattern):
        raise NotKusto(f"not in RE2: {pattern}")
    found = re.search(pattern, text)
    return found[group] if found else None


def _number(kind: Callable[[str], Value]) -> Callable[[Value], Value]:
    def convert(value: Value) -> Value:
        try:
            return None if value is None else kind(value)
        except ValueError:
            return None

    return convert


def _bin(moment: datetime, width: timedelta) -> datetime:
    start = datetime(1, 1, 1, tzinfo=UTC)
    return start + (moment - start) // width * width


def _percentile(values: Iterable[float], percents: Sequence[int]) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(percents[0] / 100 * len(ordered)) - 1]


COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "startswith": lambda a, b: a.lower().startswith(b.lower()),
    "has": _has,
}
LISTS: Mapping[str, Callable[[Value, Value], bool]] = {
    "in": lambda value, values: value in values,
    "has_any": lambda text, terms: any(_has(text, term) for term in terms),
}
FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "bag_keys": lambda bag: list(bag or {}),
    "bin": _bin,
    "extract": _extract,
    "isnull": lambda value: value is None,
    "parse_json": lambda text: json.loads(text) if text else None,
    "isnotempty": lambda value: value not in {None, ""},
    "strcat": lambda *parts: "".join(part or "" for part in parts),
    "tostring": lambda value: "" if value is None else str(value),
    "todouble": _number(float),
    "toint": _number(int),
}
AGGREGATES: Mapping[str, Callable[..., Value]] = {
    "count": len,
    "countif": lambda _, found: sum(value is True for value in found),
    "dcount": lambda _, values: len(set(values)),
    "max": lambda _, values: max((v for v in values if v is not None), default=None),
    "percentile": lambda _, values, percents: _percentile(values, percents),
    "sum": lambda _, values: sum(v for v in values if v is not None),
}
