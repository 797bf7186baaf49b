"""What changed between two documents: a list of operations after RFC 6902, with both values.

Members of lists that have codes are named by their code instead of their place, so that a new
plan in the middle is one addition and not a change of everything behind it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from shared.domain.wire import WIRE, Json


@dataclass(frozen=True, slots=True)
class Change:
    """One operation. ``from_`` is the value there was, ``to`` the value there is."""

    __pydantic_config__: ClassVar = WIRE

    op: Literal["add", "remove", "replace"]
    path: str
    from_: Json = None
    to: Json = None


def changes_between(old: Json, new: Json, path: str = "") -> Iterator[Change]:
    """Every difference between two JSON values, in the order of the old one."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_objects(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(old, new, path)
    else:
        yield Change("replace", path, old, new)


def _of_objects(old: Mapping[str, Json], new: Mapping[str, Json], path: str) -> Iterator[Change]:
    for name, value in old.items():
        place = f"{path}/{_step(name)}"
        if name not in new:
            yield Change("remove", place, value, None)
        else:
            yield from changes_between(value, new[name], place)
    for name, value in new.items():
        if name not in old:
            yield Change("add", f"{path}/{_step(name)}", None, value)


def _of_lists(old: list[Json], new: list[Json], path: str) -> Iterator[Change]:
    before, after = _by_code(old), _by_code(new)
    if before is None or after is None:
        before = {str(index): value for index, value in enumerate(old)}
        after = {str(index): value for index, value in enumerate(new)}
    yield from _of_objects(before, after, path)
    kept = [code for code in before if code in after]
    order = [code for code in after if code in before]
    if kept != order:
        yield Change("replace", path, list(kept), list(order))


def _by_code(members: list[Json]) -> dict[str, Json] | None:
    """Members by their codes; ``None`` unless all have one and no two share it."""
    found: dict[str, Json] = {}
    for member in members:
        code = member.get("code") if isinstance(member, dict) else None
        if not isinstance(code, str) or code in found:
            return None
        found[code] = member
    return found


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
