"""What the local tools print is aligned, and plain where nobody watches."""

import io

from local.terminal import Column, Progress, Terminal, counted, dollars


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_table_keeps_its_columns_and_shortens_what_does_not_fit() -> None:
    columns = (Column("account", 8), Column("sent", 6, ">"), Column("answer", 8))
    output = io.StringIO()
    terminal = Terminal(output)
    terminal.table_head(columns)
    terminal.table_row(columns, ("Northwind Traders", "1,234", "accepted"), "green")
    assert output.getvalue() == (
        "  account     sent  answer\n  ────────  ──────  ────────\n  Northwi…   1,234  accepted\n"
    )


def test_progress_in_a_log_is_a_line_every_tenth() -> None:
    output = io.StringIO()
    progress = Progress(Terminal(output), 100)
    for done in range(1, 101):
        progress.show(done)
    lines = output.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [f"{tenth}0%" for tenth in range(1, 11)]


def test_progress_on_a_screen_is_one_line_that_the_next_text_replaces() -> None:
    screen = Screen()
    terminal = Terminal(screen)
    Progress(terminal, 10).show(10, "2 retries")
    terminal.line("done")
    bar, text = screen.getvalue().split("\r\x1b[K")[1:]
    assert "100%" in bar
    assert "2 retries" in bar
    assert "\n" not in bar
    assert text == "done\n"


def test_amounts_and_numbers_are_written_for_people() -> None:
    assert [dollars(cents) for cents in (0, 5, 123456)] == ["$0.00", "$0.05", "$1,234.56"]
    assert [counted(number, "plan") for number in (0, 1, 1200)] == [
        "0 plans",
        "1 plan",
        "1,200 plans",
    ]
