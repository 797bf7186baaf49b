"""Command line of the local Functions host."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from local.host.engine import AppLoadError, Engine
from local.host.host import Host, HostOptions
from local.host.logs import HOST_LOGGER, install
from local.host.settings import SettingsError, load_host_config, load_local_settings
from local.host.templates import TemplateError

_log = logging.getLogger(HOST_LOGGER)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class _Arguments:
    app: Path
    port: int
    settings: Path | None
    grace: float


def main() -> None:
    """Run an app until SIGTERM or SIGINT; exit code 1 if it cannot be started."""
    arguments = _parse_arguments()
    ready_line = _take_standard_output()
    code = asyncio.run(_serve(arguments, ready_line))
    logging.shutdown()
    sys.stderr.flush()
    if any(not thread.daemon for thread in _other_threads()):
        # A function that does not end keeps its thread, and Python would wait for it.
        os._exit(code)
    sys.exit(code)


def _parse_arguments() -> _Arguments:
    parser = argparse.ArgumentParser(
        prog="python -m local.host", description="Run an Azure Functions app on this machine."
    )
    parser.add_argument("--app", type=Path, required=True, help="folder of function_app.py")
    parser.add_argument("--port", type=int, default=7071, help="0 takes any free port")
    parser.add_argument(
        "--settings", type=Path, help="instead of local.settings.json in the app's folder"
    )
    parser.add_argument(
        "--grace", type=float, default=10.0, help="seconds that running functions get at the stop"
    )
    given = parser.parse_args()
    settings: Path | None = given.settings
    app: Path = given.app
    return _Arguments(
        app=app.resolve(),
        port=given.port,
        settings=None if settings is None else settings.resolve(),
        grace=given.grace,
    )


def _take_standard_output() -> int:
    """Give the ready line its own descriptor and let everything else print to standard error."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor


async def _serve(arguments: _Arguments, ready_line: int) -> int:
    stopped = asyncio.Event()
    _catch_signals(stopped)
    host = None
    try:
        host = _build(arguments)
        await host.start()
    except AppLoadError as error:
        sys.stderr.write(f"The app in {arguments.app} cannot be loaded.\n{error}\n")
    except (SettingsError, TemplateError, OSError) as error:
        sys.stderr.write(f"The host cannot start: {error}\n")
    else:
        _announce(host, ready_line)
        await stopped.wait()
        _log.info("stopping")
        await host.stop()
        return 0
    if host is not None:
        await host.stop()
    return 1


def _build(arguments: _Arguments) -> Host:
    path = arguments.settings or arguments.app / "local.settings.json"
    if arguments.settings is not None or path.exists():
        for name, value in load_local_settings(path).items():
            os.environ.setdefault(name, value)
    config = load_host_config(arguments.app, os.environ)
    if sys.path and Path(sys.path[0]).resolve() == Path.cwd():
        # ``python -m`` puts its folder first; the app must find its own packages instead.
        del sys.path[0]
    engine = Engine(config.function_timeout)
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").strip().lower() in {"1", "true"}
    install(config.log_levels, engine.function_name, debug=debug)
    return Host(
        engine, config, HostOptions(arguments.app, arguments.port, arguments.grace), os.environ
    )


def _announce(host: Host, ready_line: int) -> None:
    line = json.dumps({"url": host.url, "functions": host.functions})
    with os.fdopen(ready_line, "w", encoding="utf-8") as output:
        output.write(line + "\n")


def _catch_signals(stopped: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        # A second signal ends the process at once.
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)


def _other_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread is not threading.main_thread()]


if __name__ == "__main__":
    main()
