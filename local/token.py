"""./dev token: an access token for the running local stack, to be used with curl."""

import argparse
import sys
from collections.abc import Sequence

import requests

from local.clients import CallFailed
from local.stack import find_stack


def main(arguments: Sequence[str]) -> int:
    """Print the token."""
    parser = argparse.ArgumentParser(prog="./dev token", description=__doc__)
    parser.add_argument(
        "--staff", action="store_true", help="of an administrator, not of a product backend"
    )
    given = parser.parse_args(arguments)
    stack = find_stack()
    if stack is None:
        print("No local stack is up: start one with ./dev run", file=sys.stderr)
        return 1
    simulator = stack.simulator
    try:
        print(simulator.administrator_token() if given.staff else simulator.backend_token())
    except (CallFailed, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
