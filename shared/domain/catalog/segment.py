"""Segments: usage divided by the values of some data fields, each event in exactly one part."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from shared.domain.ids import FieldCode
from shared.domain.usage.event import DataValue

type Segment = Mapping[FieldCode, str]
"""A value for every segmented field; ``*`` stands for any other value, and for none."""

type SegmentKey = str
"""What usage is kept apart by: the values of all fields that a meter's usage is split by."""

ANY = "*"
UNSPLIT: SegmentKey = ""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def key_of(fields: Sequence[FieldCode], data: Mapping[str, DataValue]) -> SegmentKey:
    """The key of an event's usage. A value that is missing, or is no text, is kept as null."""
    if not fields:
        return UNSPLIT
    values = [data.get(name) for name in fields]
    texts = (value if isinstance(value, str) else None for value in values)
    return _key(tuple(fields), tuple(texts))


@lru_cache(maxsize=16_384)
def _key(fields: tuple[FieldCode, ...], values: tuple[str | None, ...]) -> SegmentKey:
    return _encode([list(pair) for pair in zip(fields, values, strict=True)])


@lru_cache(maxsize=16_384)
def values_of(key: SegmentKey) -> Mapping[str, str | None]:
    """The inverse of ``key_of``: the fields that usage was split by, each with its value."""
    if key == UNSPLIT:
        return {}
    return {str(name): value for name, value in json.loads(key)}


def by_precedence(fields: Sequence[FieldCode], segments: Iterable[Segment]) -> list[Segment]:
    """Segments in the order in which they are tried: a value goes before ``*``, and the first
    field decides before the second."""
    return sorted(segments, key=lambda s: [s.get(name, ANY) == ANY for name in fields])


def segment_of(ordered: Iterable[Segment], values: Mapping[str, str | None]) -> Segment | None:
    """The one segment that usage with these values falls in: the first of ``by_precedence`` that
    fits. ``None`` only where no segment is all ``*``, which no valid catalogue lacks."""
    for segment in ordered:
        if all(wanted in (ANY, values.get(name)) for name, wanted in segment.items()):
            return segment
    return None


def is_rest(segment: Segment) -> bool:
    """Whether it takes whatever no other segment takes."""
    return all(value == ANY for value in segment.values())


def segment_text(segment: Segment | None) -> str:
    """A segment in words, for messages and bills."""
    if segment is None:
        return ""
    return ", ".join(f"{name}: {value}" for name, value in segment.items())
