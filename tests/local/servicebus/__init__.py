"""Tests of the local Service Bus broker: its parts alone, and the whole through the Azure SDK."""
