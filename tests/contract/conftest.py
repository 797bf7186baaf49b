"""Makes Azurite available to the tests of this folder."""

from tests.storage.azurite import azurite, tables

__all__ = ["azurite", "tables"]
