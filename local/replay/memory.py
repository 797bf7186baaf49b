"""Remembers how a file was replayed, so that the same command again sends the same events."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """What a replay decided when it ran first: accounts, and where its times were moved to."""

    accounts: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The time the file was moved to, if it was."""
        if self.start is None or self.end is None:
            return None
        return datetime.fromisoformat(self.start), datetime.fromisoformat(self.end)


def place(directory: Path, *identity: object) -> Path:
    """The file that keeps the memory of a replay of that identity."""
    text = json.dumps([str(part) for part in identity])
    return directory / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def recall(path: Path) -> Memory | None:
    """What was decided before, or ``None``."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Memory(tuple(kept["accounts"]), kept["start"], kept["end"])


def keep(path: Path, accounts: Sequence[str], span: tuple[datetime, datetime] | None) -> None:
    """Write it down before the first event is sent: an interrupted replay can be resumed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = (None, None) if span is None else tuple(moment.isoformat() for moment in span)
    path.write_text(json.dumps(asdict(Memory(tuple(accounts), *times))), encoding="utf-8")
