"""Runs without the project's packages: Cloud Shell's own Python is enough."""

import sys

from local.tables.command import main

sys.exit(main(sys.argv[1:]))
