"""One-line logs on standard error, with the function's name and host.json's levels."""

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

HOST_LOGGER = "local.host"

# Libraries that are part of the host here: Azure keeps their chatter out of an app's log.
_QUIET = ("azure.functions", "azure_functions_runtime", "azure", "uamqp", "uvicorn", "asyncio")
_NAMES = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}

type FunctionName = Callable[[], str | None]


class LevelTable:
    """Levels by category; the longest configured beginning of a category counts.

    Categories as in Azure: ``Function.<name>.User`` for what a function logs, ``Function.<name>``
    for its runs, ``Host`` for this host; "" is the default.
    """

    def __init__(self, levels: Mapping[str, int]) -> None:
        self._levels = sorted(levels.items(), key=lambda entry: -len(entry[0]))
        self._known: dict[str, int] = {}

    def level(self, category: str) -> int:
        """The lowest level that is shown for ``category``."""
        known = self._known.get(category)
        if known is None:
            known = next(
                (
                    level
                    for prefix, level in self._levels
                    if not prefix or category == prefix or category.startswith(f"{prefix}.")
                ),
                logging.INFO,
            )
            self._known[category] = known
        return known


class LineFormatter(logging.Formatter):
    """``time level source message`` on one line; line breaks become ``\\n``."""

    def __init__(self, function_name: FunctionName) -> None:
        super().__init__()
        self._function_name = function_name

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        function = _function_of(record, self._function_name)
        source = function or ("host" if record.name == HOST_LOGGER else record.name)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        level = _NAMES.get(record.levelno, record.levelname.lower())
        line = message.rstrip().replace("\r", "").replace("\n", "\\n")
        return f"{moment.removesuffix('+00:00')}Z {level} [{source}] {line}"


def install(levels: Mapping[str, int], function_name: FunctionName, *, debug: bool) -> None:
    """Send every logger to standard error; ``debug`` lets the app's debug records through."""
    table = LevelTable(levels)

    def is_shown(record: logging.LogRecord) -> bool:
        return record.levelno >= table.level(_category(record, function_name))

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(function_name))
    handler.addFilter(is_shown)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.INFO if debug else logging.WARNING)
    # The client reports every retry of a lost connection; the pumps say so in one line.
    logging.getLogger("azure.servicebus").setLevel(logging.CRITICAL)


def _function_of(record: logging.LogRecord, function_name: FunctionName) -> str | None:
    named: str | None = getattr(record, "function", None)
    return named or function_name()


def _category(record: logging.LogRecord, function_name: FunctionName) -> str:
    function = _function_of(record, function_name)
    if record.name == HOST_LOGGER:
        return f"Function.{function}" if function else "Host"
    return f"Function.{function}.User" if function else "Worker"
