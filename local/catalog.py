"""``./dev catalog``: checks a catalogue without a running stack, and prints its schema."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from shared.api.body import parse_json
from shared.api.catalog import catalog_of
from shared.api.catalog_schema import catalog_schema
from shared.api.catalog_yaml import parse_yaml
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.validation import faults_of
from shared.domain.errors import FieldError, InvalidInput, TooLarge

DESCRIPTION = """\
check FILE...  tells everything that is wrong with a catalogue in YAML or JSON, with its line:
               the same checks that PUT /api/catalog makes
schema         prints the JSON Schema, for editors
"""


def main(arguments: Sequence[str]) -> int:
    """Check files or print the schema; 1 when a file has faults, 2 when it cannot be read."""
    parser = argparse.ArgumentParser(
        prog="./dev catalog",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check files")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    commands.add_parser("schema", help="print the JSON Schema")
    options = parser.parse_args(arguments)
    if options.command == "schema":
        print(json.dumps(catalog_schema(), indent=2))
        return 0
    return max(check_file(path) for path in options.files)


def check_file(path: Path) -> int:
    """Print what is wrong with a file, or what it holds."""
    try:
        body = path.read_bytes()
    except OSError as exc:
        print(f"{path}: {exc.strerror}", file=sys.stderr)
        return 2
    try:
        catalog = catalog_of(parse_json(body) if path.suffix == ".json" else parse_yaml(body))
        faults = faults_of(catalog)
    except TooLarge as exc:
        faults = (FieldError("", str(exc)),)
    except InvalidInput as exc:
        faults = exc.fields or (FieldError("", str(exc)),)
    if not faults:
        print(f"{path}: good: {_contents(catalog)}")
        return 0
    lines = dict(_lines(yaml.compose(body, yaml.SafeLoader))) if faults[0].pointer else {}
    for fault in faults:
        line = _line(fault.pointer, lines)
        message = " ".join(fault.message.split())
        print(f"{path}{line}: {fault.pointer or 'the whole'}: {message}")
    print(f"{path}: {len(faults)} {'fault' if len(faults) == 1 else 'faults'}")
    return 1


def _contents(catalog: Catalog) -> str:
    counts = {
        "product": len(catalog.products),
        "meter": len(catalog.meters),
        "aggregation": len(catalog.aggregations) + len(catalog.compound_aggregations),
        "plan template": len(catalog.plan_templates),
        "plan": len(catalog.plans),
    }
    return ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n)


def _lines(node: yaml.Node | None, place: str = "") -> Iterator[tuple[str, int]]:
    """The line of every place of a document; JSON is YAML too."""
    if node is None:
        return
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = str(key.value).replace("~", "~0").replace("/", "~1")
            yield from _lines(value, f"{place}/{step}")
            yield f"{place}/{step}", key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, f"{place}/{index}")


def _line(pointer: str, lines: dict[str, int]) -> str:
    """The line of the place, or of the nearest one around it for something that is missing."""
    while pointer not in lines and pointer:
        pointer = pointer.rpartition("/")[0]
    return f":{lines[pointer]}" if pointer in lines else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
