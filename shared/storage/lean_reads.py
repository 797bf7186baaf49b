"""Looks up one property of many rows over bare HTTP connections, several rows at a time."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

from shared.domain.errors import MeteringError, Throttled, Unavailable
from shared.storage.batch_wire import row_address
from shared.storage.lean import Lean, refusal

AT_ONCE: Final = 8
"""Rows that a process looks up at the same time, whoever asks."""

WAITS: Final = (0.2, 0.4, 0.8)
"""Seconds before a look-up without a usable answer is sent again."""

LONGEST_WAIT: Final = 5.0
"""Seconds of what a busy service may ask for; a request waits for these look-ups."""


class LeanReads:
    """Point reads on the tables of one account. ``sleep`` waits for some seconds."""

    def __init__(self, lean: Lean, sleep: Callable[[float], None] = time.sleep) -> None:
        self._lean = lean
        self._sleep = sleep
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look-up")

    def texts(self, table: str, partition: str, rows: Sequence[str], name: str) -> list[str | None]:
        """The text ``name`` of each row, ``None`` for a row that is not there.

        A missing table has no rows. Raises ``Throttled``, ``Unavailable`` or ``Rejected`` when any
        row's look-up comes to no end.
        """
        if len(rows) == 1:
            return [self._text(table, partition, rows[0], name)]

        def every(first: int) -> list[str | None]:
            return [self._text(table, partition, row, name) for row in rows[first::AT_ONCE]]

        pieces = [self._pool.submit(every, first) for first in range(min(AT_ONCE, len(rows)))]
        wait(pieces)
        found: list[str | None] = [None] * len(rows)
        for first, piece in enumerate(pieces):
            found[first::AT_ONCE] = piece.result()
        return found

    def close(self) -> None:
        """Begin no more look-ups."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _text(self, table: str, partition: str, row: str, name: str) -> str | None:
        path = row_address(f"{self._lean.path}/{table}", partition, row)
        for seconds in WAITS:
            try:
                return self._once(path, name)
            except (Throttled, Unavailable) as exc:
                self._sleep(max(seconds, _asked(exc)))
        return self._once(path, name)

    def _once(self, path: str, name: str) -> str | None:
        response = self._lean.get(path, f"?$select={name}")
        if response.status == 404:
            return None
        if response.status != 200:
            raise refusal(response)
        try:
            return str(json.loads(response.data)[name])
        except (ValueError, KeyError, TypeError) as exc:
            raise Unavailable(f"table storage gave no {name}") from exc


def _asked(error: MeteringError) -> float:
    return min(error.retry_after, LONGEST_WAIT) if isinstance(error, Throttled) else 0.0
