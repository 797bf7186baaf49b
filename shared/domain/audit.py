"""The audit trail: who changed what, and when; only ever appended to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

MARKETPLACE = "marketplace"
"""The actor of changes that Microsoft or a customer made."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. ``subject`` is what changed (an account's code), ``actor`` who changed it.

    Entries that are equal are one entry, so writing one twice is harmless. No personal data.
    """

    subject: str
    at: datetime
    actor: str
    action: str
    detail: Mapping[str, str] = field(default_factory=dict)
