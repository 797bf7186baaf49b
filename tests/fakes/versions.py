"""ETags of the in-memory stores: a counter as text, unlike those of any other store."""

from itertools import count

from shared.ports import Etag


class Versions:
    """Gives every write a version of its own."""

    def __init__(self) -> None:
        self._next = count(1)

    def new(self) -> Etag:
        return str(next(self._next))
