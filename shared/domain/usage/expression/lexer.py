"""Cuts the text of an expression into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from shared.domain.usage.expression.faults import ExpressionError


class Kind(Enum):
    """What a token is."""

    NUMBER = auto()
    TEXT = auto()
    NAME = auto()
    OPERATOR = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression; ``text`` is its meaning: quotes are gone, operators unified."""

    kind: Kind
    text: str
    at: int
    quoted: bool = False

    def is_operator(self, *operators: str) -> bool:
        """Whether the token is one of these operators or punctuation marks."""
        return self.kind is Kind.OPERATOR and self.text in operators

    def __str__(self) -> str:
        match self.kind:
            case Kind.END:
                return "the end"
            case Kind.TEXT:
                return "a text"
            case Kind.NUMBER | Kind.NAME | Kind.OPERATOR:
                return f'"{self.text}"'
            case _:
                assert_never(self.kind)


MAX_DIGITS = 34
"""A literal number with more digits could not be calculated with exactly."""

_TOKEN = re.compile(
    r"""
    (?P<number> (?: [0-9]+ (?: \.[0-9]* )? | \.[0-9]+ ) )
  | (?P<text>   ' (?: [^'] | '' )* ' | " (?: [^"] | "" )* " )
  | (?P<name>   [A-Za-z_][A-Za-z0-9_]* (?: \.[A-Za-z0-9_]+ )* | ` [^`]+ ` )
  | (?P<operator> == | != | <> | <= | >= | && | \|\| | [-+*/%^=<>!?:(),] )
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"[ \t\r\n]*")
_SPELLINGS = {"==": "=", "<>": "!=", "&&": "and", "||": "or", "!": "not"}
_WORDS = ("and", "or", "not")


def tokens_of(text: str) -> Iterator[Token]:
    """Every token of ``text``, the last one of kind END. Raises ``ExpressionError``."""
    at = _skip_space(text, 0)
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ExpressionError(at, _fault_of(text[at]))
        yield _token(found)
        at = _skip_space(text, found.end())
    yield Token(Kind.END, "", len(text))


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _token(found: re.Match[str]) -> Token:
    text, at = found.group(), found.start()
    match found.lastgroup:
        case "number":
            if sum(character != "." for character in text) > MAX_DIGITS:
                raise ExpressionError(at, f"a number has at most {MAX_DIGITS} digits")
            return Token(Kind.NUMBER, text, at)
        case "text":
            quote = text[0]
            return Token(Kind.TEXT, text[1:-1].replace(quote * 2, quote), at)
        case "operator":
            return Token(Kind.OPERATOR, _SPELLINGS.get(text, text), at)
        case _:
            if text[0] == "`":
                return Token(Kind.NAME, text[1:-1], at, quoted=True)
            word = text.lower()
            if word in _WORDS:
                return Token(Kind.OPERATOR, word, at)
            return Token(Kind.NAME, text, at)


def _fault_of(character: str) -> str:
    if character in "'\"`":
        return f"the closing {character} is missing"
    if character in "&|":
        return f'unexpected "{character}"; write "and" or "or"'
    return f"unexpected character {character!r}"
