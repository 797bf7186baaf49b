"""Other commands find a stack that is up, and are not misled by one that is gone."""

from pathlib import Path

from local.clock import FileClock
from local.marketplace.config import Settings
from local.marketplace.server import running
from local.processes import free_port
from local.stack import Stack, find_stack, published


def stack_at(marketplace: str, directory: Path) -> Stack:
    return Stack(
        pid=1,
        url="http://127.0.0.1:1",
        marketplace=marketplace,
        tables="",
        service_bus="",
        directory=str(directory),
    )


def test_a_published_stack_is_found_while_it_is_up(tmp_path: Path) -> None:
    file = tmp_path / "state" / "stack.json"
    with running(Settings(), FileClock(tmp_path / "clock")) as bound:
        stack = stack_at(bound.url, tmp_path)
        assert find_stack(file) is None
        with published(stack, file):
            assert find_stack(file) == stack
        assert find_stack(file) is None


def test_a_stack_that_was_killed_is_not_found(tmp_path: Path) -> None:
    file = tmp_path / "stack.json"
    with published(stack_at(f"http://127.0.0.1:{free_port()}", tmp_path), file):
        assert find_stack(file) is None


def test_a_state_file_of_another_shape_is_no_stack(tmp_path: Path) -> None:
    file = tmp_path / "stack.json"
    for content in ("", "[]", '{"pid": 1}'):
        file.write_text(content)
        assert find_stack(file) is None
