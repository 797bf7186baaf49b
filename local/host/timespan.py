"""Reads time spans the way .NET writes them."""

import re

_TIMESPAN = re.compile(r"(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d{1,7})?)?", re.ASCII)


def parse_timespan(text: object) -> float | None:
    """Seconds of ``[d.]hh:mm[:ss[.fffffff]]``, or None if ``text`` is no such span."""
    match = _TIMESPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.group(1, 2, 3, 4))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds + float(match[5] or 0)
