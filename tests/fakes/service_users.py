"""Service users in memory."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from shared.domain.serviceuser import ServiceUser


class FakeServiceUsers:
    """``reads`` counts how often a service user was looked up."""

    def __init__(self) -> None:
        self.users: dict[str, ServiceUser] = {}
        self.reads = 0

    def get(self, key_id: str) -> ServiceUser | None:
        self.reads += 1
        return self.users.get(key_id)

    def list(self) -> Iterable[ServiceUser]:
        return list(self.users.values())

    def put(self, user: ServiceUser) -> None:
        if not re.fullmatch(r"[A-Za-z0-9]{1,64}", user.key_id):
            raise ValueError("a key id is made of letters and digits")
        self.users[user.key_id] = user

    def touch(self, key_id: str, used: datetime) -> None:
        user = self.users.get(key_id)
        if user is not None:
            self.users[key_id] = replace(user, last_used=used)

    def delete(self, key_id: str) -> None:
        self.users.pop(key_id, None)
