"""What checks of references and codes have in common."""

import difflib
from collections.abc import Collection, Iterator, Sequence

from shared.domain.errors import FieldError
from shared.domain.ids import is_code

_NAMES_COMPARED = 500
"""Looking for the nearest of more names than this takes longer than it helps."""


def unknown(kind: str, code: str, known: Collection[str]) -> str:
    """A message for a reference to nothing, with the nearest name there is."""
    near: list[str] = []
    if len(known) <= _NAMES_COMPARED:
        near = difflib.get_close_matches(code[:64], list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no {kind} {code[:64]}{hint}"


def code_faults(
    place: str, codes: Sequence[str], others: Collection[str] = (), owner: str = ""
) -> Iterator[FieldError]:
    """Codes that are malformed, used twice, or among ``others``, which name ``owner`` each."""
    seen: set[str] = set()
    for index, code in enumerate(codes):
        pointer = f"{place}/{index}/code"
        if not is_code(code):
            message = (
                "must be 1-64 letters, digits, '.', '_' or '-', starting with a letter or digit"
            )
            yield FieldError(pointer, message)
        if code in seen:
            yield FieldError(pointer, f"{code} is used twice")
        if code in others:
            yield FieldError(pointer, f"{code} is already {owner}; give it another code")
        seen.add(code)
