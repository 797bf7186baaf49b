"""Command line of the Marketplace simulator."""

import argparse
import json
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from local.clock import FileClock
from local.marketplace.config import Settings, load
from local.marketplace.server import bind


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.marketplace",
        description="Plays the Azure Marketplace, Partner Center and Entra ID on loopback.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--clock", type=Path, help="file that holds the stack's time offset")
    parser.add_argument("--webhook-url", help="where notifications are sent")
    parser.add_argument("--landing-url", help="the publisher's landing page")
    parser.add_argument("--tenant", help="the publisher's tenant id")
    parser.add_argument("--seed", type=int, help="seed of identifiers and faults")
    parser.add_argument("--config", type=Path, help="YAML or JSON file, see README.md")
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = load(arguments.config) if arguments.config else Settings()
    if arguments.tenant:
        settings = settings.for_tenant(arguments.tenant)
    if arguments.landing_url:
        settings = replace(settings, landing_url=arguments.landing_url)
    if arguments.webhook_url:
        settings = replace(settings, webhook=replace(settings.webhook, url=arguments.webhook_url))
    if arguments.seed is not None:
        settings = replace(settings, seed=arguments.seed)
    return settings


def main() -> None:
    """Serve until SIGTERM or SIGINT; one JSON line on standard output says where."""
    arguments = _arguments()
    settings = _settings(arguments)
    with tempfile.TemporaryDirectory() as directory:
        clock = FileClock(arguments.clock or Path(directory) / "clock")
        bound = bind(settings, clock, arguments.port)
        # The server raises a signal anew once it has ended; this makes that a clean exit.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        bound.run(lambda: print(json.dumps({"url": bound.url}), flush=True))


if __name__ == "__main__":
    main()
