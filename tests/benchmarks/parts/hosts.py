"""Further Functions hosts on a running stack: the app with settings of its own."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local.processes import ROOT, Processes, free_port
from local.stack import Stack, app_settings

READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class HostOfStack:
    """How to start one more host; ``name`` is that of its log."""

    name: str
    port: int
    settings: Path

    @classmethod
    def planned(cls, stack: Stack, name: str, changes: Mapping[str, str]) -> Self:
        """A host whose settings are the stack's with ``changes``."""
        file = Path(stack.directory) / f"{name}.settings.json"
        values = {"IsEncrypted": False, "Values": {**app_settings(stack), **changes}}
        file.write_text(json.dumps(values, indent=2), encoding="utf-8")
        return cls(name, free_port(), file)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [
            sys.executable,
            *("-m", "local.host", "--app", str(ROOT)),
            *("--port", str(self.port), "--settings", str(self.settings)),
        ]

    def start(self, processes: Processes, environment: Mapping[str, str]) -> None:
        """Start it as a child of the stack and wait until it answers. Raises ``ProcessFailed``."""
        processes.start(self.name, self.command, environment, ready_within=READY_SECONDS)
