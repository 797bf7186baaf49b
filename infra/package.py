"""Makes the package that Azure builds the app from: what .funcignore lets through, as a zip."""

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Every file bears the same time, so that the same sources make the same package."""


class Rules:
    """Patterns in the syntax of .gitignore: the last one that matches decides."""

    def __init__(self, text: str) -> None:
        self._rules = [_rule(line) for line in text.splitlines() if _is_rule(line)]

    def ignores(self, path: str, folder: bool) -> bool:
        """Whether a path, relative to the root and with ``/``, is left out."""
        ignored = False
        for pattern, keeps, folders_only in self._rules:
            if (folder or not folders_only) and pattern.fullmatch(path):
                ignored = not keeps
        return ignored


def files(root: Path, rules: Rules) -> Iterator[Path]:
    """Files that are let through, in order. What is in an ignored folder is ignored."""
    yield from sorted(_children(root, root, rules))


def package(target: Path, root: Path = ROOT) -> list[str]:
    """Write the zip, not compressed since it is small, and return the names in it."""
    rules = Rules((root / ".funcignore").read_text(encoding="utf-8"))
    names: list[str] = []
    with zipfile.ZipFile(target, "w") as archive:
        for path in files(root, rules):
            name = path.relative_to(root).as_posix()
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
            names.append(name)
    return names


def _children(folder: Path, root: Path, rules: Rules) -> Iterator[Path]:
    for path in folder.iterdir():
        name = path.relative_to(root).as_posix()
        if rules.ignores(name, path.is_dir()):
            continue
        if path.is_dir():
            yield from _children(path, root, rules)
        else:
            yield path


def _is_rule(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool]:
    text = line.rstrip()
    keeps = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    anchored = "/" in text
    body = "".join(_translated(piece) for piece in re.split(r"(\*\*/|\*|\?)", text.lstrip("/")))
    return re.compile(body if anchored else f"(?:.*/)?{body}"), keeps, folders_only


def _translated(piece: str) -> str:
    return {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))


if __name__ == "__main__":
    made = package(Path(sys.argv[1]))
    sys.stdout.write(f"{len(made)} files\n")
