"""An HTTP request as handlers see it, free of any framework."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

_CORRELATION = re.compile(r"[A-Za-z0-9\-]{1,64}")


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are in lower case."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    route: Mapping[str, str]
    body: bytes

    @property
    def correlation(self) -> str:
        """The caller's ``x-ms-correlationid``, if it is fit to be logged and returned."""
        given = self.headers.get("x-ms-correlationid", "")
        return given if _CORRELATION.fullmatch(given) else ""

    @property
    def form(self) -> dict[str, str]:
        """Fields of a URL-encoded form; of a repeated one the first."""
        text = self.body[:65_536].decode(errors="replace")
        return {name: values[0] for name, values in parse_qs(text).items()}
