"""``./dev catalog``: every fault with its line, without a running stack; and the samples."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from local.catalog import main
from shared.api.catalog import parse_catalog
from shared.domain.catalog.intake import Taken
from shared.domain.ids import MeterCode

SAMPLES = Path(__file__).parents[2] / "local" / "samples"
GOOD = "organization: {name: contoso}\n"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sample_is_good(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(sample)]) == 0
    assert f"{sample}: good: 1 product" in capsys.readouterr().out


CASES = {
    "a misspelled field": (
        "organization:\n  name: x\n  timeZon: y\n",
        [":3: /organization/timeZon: is not a field here; did you mean timeZone?"],
    ),
    "faults of meaning": (
        "organization: {name: x}\nplans:\n  - code: p\n    product: q\n    interval: 0\n",
        [":4: /plans/0/product: there is no product q", ":5: /plans/0/interval: must be at least"],
    ),
    "something missing": (
        "organization:\n  epoch: 2026-01-01\n", [":1: /organization/name: is missing"]
    ),
    "no YAML": ("a: [\n", [": the whole: malformed YAML"]),
    "no object": ("5\n", [": the whole: must be an object"]),
    "nothing": ("", [": the whole: must be an object"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), [pytest.param(*case, id=name) for name, case in CASES.items()]
)
def test_faults(
    text: str, expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(text)
    assert main(["check", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(expected) + 1
    for line, wanted in zip(lines, expected, strict=False):
        assert line.startswith(f"{file}{wanted}")


def test_json_files_are_read_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "catalog.json"
    file.write_text('{"organization": {"name": "x"},\n "plans": [{"code": "p"}]}')
    assert main(["check", str(file)]) == 1
    assert ":2: /plans/0/product: is missing" in capsys.readouterr().out


def test_the_worst_of_several_files_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good.yaml"
    good.write_text(GOOD)
    assert main(["check", str(good)]) == 0
    assert main(["check", str(good), str(tmp_path / "none.yaml")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() >= {"plans", "meters"}


def test_what_the_sample_of_tokens_makes_of_a_call() -> None:
    body = (SAMPLES / "llm-tokens.yaml").read_bytes()
    catalog = parse_catalog({"content-type": "application/yaml"}, body)
    intake = catalog.intake(MeterCode("completions"))
    assert intake is not None
    given = {"readTokens": 1000, "writtenTokens": 500, "cachedTokens": 200}
    taken = intake.take({"model": "large", **{name: Decimal(n) for name, n in given.items()}})
    assert isinstance(taken, Taken)
    assert taken.data["tokens"] == 1000 + 1500 - 180
    assert taken.data["cost"] == Decimal("0.005568")
    assert taken.segment == '[["model","large"]]'
