"""The runbook speaks of everything that people may be told of."""

import re
from pathlib import Path

import pytest

from shared.domain.finding import FindingKind

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
ELSEWHERE = {FindingKind.ACCOUNT_FAILED}
"""It has an alert and a section of its own."""


@pytest.mark.parametrize("kind", sorted(set(FindingKind) - ELSEWHERE))
def test_every_kind_of_finding_is_explained(kind: FindingKind) -> None:
    assert f"*{kind}*" in RUNBOOK


@pytest.mark.parametrize("page", ["runbook.md", "deployment.md", "costs.md"])
def test_routes_that_pages_name_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = set(re.findall(r"`(?:GET|PUT|POST|DELETE) /([\w/]+)", text))
    routes = [r for path in (ROOT / "functions").glob("*.py") for r in _routes(path.read_text())]
    patterns = [re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(route)) for route in routes]
    for route in named:
        assert any(re.fullmatch(pattern, route) for pattern in patterns), route


def _routes(source: str) -> list[str]:
    """Routes of a module, also those put together of a constant."""
    constants = dict(re.findall(r'^([A-Z_]+) = "([^"]+)"', source, re.MULTILINE))
    composed = re.findall(r'route=f"\{([A-Z_]+)\}([^"]*)"', source)
    composed += [(name, "") for name in re.findall(r"route=([A-Z_]+)[,)]", source)]
    plain: list[str] = re.findall(r'route="([^"]+)"', source)
    return plain + [constants[name] + rest for name, rest in composed]
