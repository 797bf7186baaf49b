"""The runbook speaks of everything that people may be told of."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.domain.finding import FindingKind

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
ELSEWHERE = {FindingKind.ACCOUNT_FAILED}
"""It has an alert and a section of its own."""

LIST = """
import function_app
for function in function_app.app.get_functions():
    for binding in function.get_bindings():
        if getattr(binding, "route", None):
            print(binding.route)
"""


@pytest.mark.parametrize("kind", sorted(set(FindingKind) - ELSEWHERE))
def test_every_kind_of_finding_is_explained(kind: FindingKind) -> None:
    assert f"*{kind}*" in RUNBOOK


@pytest.fixture(scope="module")
def routes() -> list[str]:
    """Every route of the app, as patterns."""
    done = subprocess.run(
        [sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(r)) for r in done.stdout.split()]


@pytest.mark.parametrize("page", ["runbook.md", "deployment.md", "costs.md"])
def test_routes_that_pages_name_exist(page: str, routes: list[str]) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = set(re.findall(r"(?:`|`[^`\n]*)(?:GET|PUT|POST|DELETE) /([\w/]+)", text))
    for route in named:
        assert any(re.fullmatch(pattern, route) for pattern in routes), route
