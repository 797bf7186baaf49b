"""A catalogue's YAML: exact numbers, names that stand once, and nothing that grows when read."""

import re
from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from shared.api.body import check_size
from shared.domain.errors import InvalidInput

MAX_DEPTH = 32
"""No catalogue is nested as deeply."""

MAX_VALUES = 200_000
"""Values of a document with names and all: about four times those of 500 plans."""

TOO_MANY = f"a catalogue has at most {MAX_VALUES:,} values"

_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,39})")


class _ExactLoader(yaml.CSafeLoader):
    """Safe YAML whose numbers are exact and whose names stand once, parsed in C: Python takes
    seconds for 500 plans."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.YAMLError(f"the name {key.value[:40]} stands twice{key.start_mark}")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _exact_number(loader: _ExactLoader, node: yaml.ScalarNode) -> Decimal:
    text = str(loader.construct_scalar(node)).replace("_", "")
    try:
        number = Decimal(text)
    except InvalidOperation as exc:
        raise yaml.YAMLError(f"{text} is not a number that can be priced") from exc
    if not number.is_finite() or not -40 <= number.adjusted() <= 40:
        raise yaml.YAMLError(f"{text[:40]} is not a number that can be priced")
    return number


def _plain_integer(loader: _ExactLoader, node: yaml.ScalarNode) -> int:
    """YAML takes 010 for eight and 1:30 for ninety: nobody means that in a price list."""
    text = str(loader.construct_scalar(node)).replace("_", "")
    if not _INTEGER.fullmatch(text):
        message = f"write {text[:40]} in plain decimal digits, or in quotes if it is a text"
        raise yaml.YAMLError(f"{message}{node.start_mark}")
    return int(text)


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact_number)
_ExactLoader.add_constructor("tag:yaml.org,2002:int", _plain_integer)


def parse_yaml(body: bytes) -> object:
    """The body's YAML value. Raises ``InvalidInput`` with the place of a fault."""
    check_size(body)
    try:
        _check_events(body)
        document: object = yaml.load(body, _ExactLoader)  # noqa: S506 - a safe loader's child
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, ValueError) as exc:
        raise InvalidInput(f"malformed YAML: {exc}") from exc
    return document


def _check_events(body: bytes) -> None:
    """Refuse, before anything is built of it, what takes more memory or time than its length: a
    few lines of aliases can stand for gigabytes, and depth costs the parser its square."""
    depth = 0
    for number, event in enumerate(yaml.parse(body, _ExactLoader)):
        if number > 2 * MAX_VALUES:
            raise InvalidInput(TOO_MANY)
        if isinstance(event, yaml.AliasEvent):
            raise InvalidInput("malformed YAML: aliases are not taken")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise InvalidInput("malformed YAML: it is nested too deeply")
