"""What the local tools print: steps, tables and a progress bar, calm on terminals and in logs."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

BAR_WIDTH = 28
REDRAW_SECONDS = 0.1

_CODES = {"bold": "1", "dim": "2", "green": "32", "red": "31", "yellow": "33"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: heading, width in characters, and which side its cells keep to."""

    title: str
    width: int
    align: Literal["<", ">"] = "<"

    def cell(self, text: str) -> str:
        """``text`` in this column's width, shortened if it has to be."""
        shown = text if len(text) <= self.width else text[: self.width - 1] + "…"
        return f"{shown:{self.align}{self.width}}"


class Terminal:
    """Prints to one stream; colours and moving lines only where a person watches."""

    def __init__(self, output: TextIO = sys.stdout) -> None:
        self._output = output
        self.live = output.isatty()
        self._coloured = self.live and not os.environ.get("NO_COLOR")
        self._pending = ""

    def style(self, text: str, name: str) -> str:
        """``text`` in a colour or weight, or as it is."""
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self._coloured else text

    def line(self, text: str = "") -> None:
        """One line."""
        self._settle()
        self._write(f"{text}\n")

    def heading(self, text: str) -> None:
        """A title with room above and below."""
        self.line()
        self.line(f"  {self.style(text, 'bold')}")
        self.line()

    def done(self, what: str, detail: str = "", aside: str = "") -> None:
        """Something that has been achieved."""
        mark = self.style("✓", "green")
        self.line(f"  {mark} {what:<20} {detail:<34} {self.style(aside, 'dim')}".rstrip())

    def failed(self, text: str) -> None:
        """Something that went wrong."""
        first, *rest = text.splitlines() or [""]
        self.line(f"  {self.style('✗', 'red')} {first}")
        for more in rest:
            self.line(f"    {more}")

    def note(self, text: str) -> None:
        """Something that happened in between."""
        self.line(f"  {self.style(text, 'dim')}")

    def passing(self, text: str) -> None:
        """A line that the next one replaces; nothing where nobody watches."""
        if self.live:
            self._settle()
            self._pending = text
            self._write(f"\r\x1b[K{self.style(text, 'dim')}")

    def table_head(self, columns: Sequence[Column]) -> None:
        """Headings, underlined."""
        self.line("  " + self.style("  ".join(c.cell(c.title) for c in columns), "bold").rstrip())
        self.line("  " + self.style("  ".join("─" * c.width for c in columns), "dim"))

    def table_row(self, columns: Sequence[Column], cells: Sequence[str], style: str = "") -> None:
        """One row."""
        text = "  ".join(c.cell(cell) for c, cell in zip(columns, cells, strict=True)).rstrip()
        self.line("  " + (self.style(text, style) if style else text))

    def _settle(self) -> None:
        if self._pending:
            self._write("\r\x1b[K")
            self._pending = ""

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()


class Progress:
    """How far a long piece of work is: a bar on a terminal, else a line every tenth."""

    def __init__(self, terminal: Terminal, total: int) -> None:
        self._terminal = terminal
        self._total = max(total, 1)
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._tenths = 0

    def show(self, done: int, note: str = "") -> None:
        """Say that ``done`` of the total are through."""
        now = time.monotonic()
        share = min(1.0, done / self._total)
        rate = done / max(now - self._begun, 0.001)
        figures = f"{done:>9,} of {self._total:,}  {rate:>7,.0f}/s  {note}".rstrip()
        if self._terminal.live:
            if now - self._drawn >= REDRAW_SECONDS or done >= self._total:
                self._drawn = now
                full = round(share * BAR_WIDTH)
                bar = "━" * full + "╌" * (BAR_WIDTH - full)
                self._terminal.passing(f"  {bar} {share:>4.0%} {figures}")
        elif int(share * 10) > self._tenths:
            self._tenths = int(share * 10)
            self._terminal.line(f"  {share:>4.0%} {figures}")


def dollars(cents: int) -> str:
    """12345 → ``$123.45``."""
    return f"${cents // 100:,}.{cents % 100:02}"


def counted(number: int, noun: str) -> str:
    """``1 plan``, ``2 plans``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
