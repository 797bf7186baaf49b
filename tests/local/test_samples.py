"""The sample files are what their generator writes and what the catalogue takes."""

import io

from local.samples.files import CATALOG, USAGE, sample_rows
from local.samples.generator import ROWS, SEED, write
from shared.api.catalog import parse_catalog
from shared.domain.catalog.validation import faults_of


def test_the_sample_usage_is_what_the_generator_writes() -> None:
    output = io.StringIO()
    write(output, SEED, ROWS)
    assert USAGE.read_text(encoding="utf-8") == output.getvalue()


def test_the_sample_usage_has_both_customers_in_every_hour() -> None:
    hours = {(row.hour, row.customer) for row in sample_rows()}
    assert hours == {(hour, name) for hour in range(6) for name in ("northwind", "fabrikam")}


def test_the_sample_catalogue_is_a_valid_catalogue() -> None:
    body = CATALOG.read_bytes()
    catalog = parse_catalog({"content-type": "application/yaml"}, body)
    assert faults_of(catalog) == ()
    for sold_as in ("standard", "scale"):
        plan = catalog.plan_for("contoso-ai", sold_as)
        assert plan is not None
        assert plan.code == sold_as
