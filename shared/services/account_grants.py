"""Prepayments, credits and single charges of accounts by API: given once, whatever is repeated."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from shared.domain.account import AccountRecord
from shared.domain.accounts.granting import (
    MAX_GRANTS,
    Grant,
    GrantOrder,
    made,
    new_faults,
    removal_faults,
    replacing,
    replacing_faults,
)
from shared.domain.accounts.scene import Scene
from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    DifferentPayload,
    InvalidInput,
    NotFound,
    StaleVersion,
)
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.wire import document_of
from shared.ports import Answered, Etag
from shared.services.account_changes import ChangeAccount, Edit, Expected

type Kind = type[Prepayment] | type[Credit] | type[AdHocCharge]

NAMES: Final[dict[Kind, str]] = {
    Prepayment: "prepayment",
    Credit: "credit",
    AdHocCharge: "charge",
}
"""How people call them; their ids begin so."""


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes a request repeatable: the caller's key for it, and what tells its contents."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Granted:
    """What was given, and the version of its account; that is ``None`` in answer to a repeated
    request, which changed nothing."""

    grant: Grant
    etag: Etag | None


@dataclass(frozen=True, slots=True)
class ManageGrants:
    """What accounts are given and charged. Every verb raises ``NotFound``, ``StaleVersion`` and
    ``InvalidInput`` with every fault, and changes nothing then."""

    change: ChangeAccount

    def get(self, code: str, kind: Kind, identity: str) -> Granted:
        """One of them. Raises ``NotFound``."""
        stored = self.change.load(code)
        return Granted(_found(stored.value, kind, identity), stored.etag)

    def add(
        self,
        code: str,
        kind: Kind,
        order: GrantOrder,
        request: Repeatable,
        expected: Expected,
        by: str,
    ) -> Granted:
        """Give or charge something; the same request again is answered with what it made then.

        Raises ``DifferentPayload`` when the key was used for another request.
        """
        named = Repeatable(f"{NAMES[kind]}|{request.key}", request.fingerprint)
        known = self._known(code, named)
        if known is not None:
            return known
        given: list[Grant] = []

        def edit(scene: Scene) -> Edit:
            edit = _adding(scene, kind, order, named)
            if edit.answered is not None:
                given.append(edit.answered.made)
            return edit

        try:
            stored = self.change(code, expected, by, edit)
        except (ConcurrentUpdate, StaleVersion):
            known = self._known(code, named)  # The same request may have been faster.
            if known is None:
                raise
            return known
        return Granted(given[-1], stored.etag)

    def update(
        self,
        code: str,
        kind: Kind,
        identity: str,
        order: GrantOrder,
        expected: Expected,
        by: str,
    ) -> Granted:
        """Replace something; of what a billed period may have used, only end and description."""
        given: list[Grant] = []

        def edit(scene: Scene) -> Edit:
            old = _found(scene.record, kind, identity)
            faults = list(replacing_faults(order, old, scene))
            if faults:
                raise InvalidInput(f"the {NAMES[kind]} cannot be changed so", faults)
            new = replacing(order, old, scene)
            given.append(new)
            kept = tuple(new if each is old else each for each in _of(scene.record, kind))
            detail = {**_detail(new), "before": _spelled(old)}
            record = _with(scene.record, kept, kind)
            return Edit(record, f"{NAMES[kind]}.update", detail, _moments(new))

        stored = self.change(code, expected, by, edit)
        return Granted(given[-1], stored.etag)

    def remove(self, code: str, kind: Kind, identity: str, expected: Expected, by: str) -> Etag:
        """Take something away. Raises ``Conflict`` when a billed period may have used it."""

        def edit(scene: Scene) -> Edit:
            old = _found(scene.record, kind, identity)
            for fault in removal_faults(old, scene):
                raise Conflict(f"{NAMES[kind]} {old.id} {fault.message}")
            kept = tuple(each for each in _of(scene.record, kind) if each is not old)
            record = _with(scene.record, kept, kind)
            return Edit(record, f"{NAMES[kind]}.delete", _detail(old))

        return self.change(code, expected, by, edit).etag

    def _known(self, code: str, request: Repeatable) -> Granted | None:
        """What the same request made before."""
        account = self.change.load(code).value.account.code
        answered = self.change.accounts.answered(account, request.key)
        if answered is None:
            return None
        if answered.fingerprint != request.fingerprint:
            raise DifferentPayload(
                "this Idempotency-Key was used for another request; take a new one for a new "
                "request"
            )
        return Granted(answered.made, None)


def _adding(scene: Scene, kind: Kind, order: GrantOrder, request: Repeatable) -> Edit:
    kept = _of(scene.record, kind)
    if len(kept) >= MAX_GRANTS:
        raise Conflict(f"the account has {MAX_GRANTS} of these, the most there can be")
    faults = list(new_faults(order, scene))
    if faults:
        raise InvalidInput(f"the {NAMES[kind]} cannot be made", faults)
    grant = made(order, _identity(kind, request.key), scene)
    return Edit(
        _with(scene.record, (*kept, grant), kind),
        f"{NAMES[kind]}.create",
        _detail(grant),
        _moments(grant),
        Answered(request.key, request.fingerprint, grant),
    )


def _identity(kind: Kind, key: str) -> str:
    """The same request would make the same id."""
    digest = hashlib.blake2b(key.encode(), digest_size=10).hexdigest()
    return f"{NAMES[kind]}-{digest}"


def _of(record: AccountRecord, kind: Kind) -> tuple[Grant, ...]:
    match NAMES[kind]:
        case "prepayment":
            return record.prepayments
        case "credit":
            return record.credits
        case _:
            return record.charges


def _with(record: AccountRecord, grants: tuple[Grant, ...], kind: Kind) -> AccountRecord:
    match NAMES[kind]:
        case "prepayment":
            kept = tuple(each for each in grants if isinstance(each, Prepayment))
            return replace(record, prepayments=kept)
        case "credit":
            return replace(record, credits=tuple(e for e in grants if isinstance(e, Credit)))
        case _:
            charges = tuple(each for each in grants if isinstance(each, AdHocCharge))
            return replace(record, charges=charges)


def _found(record: AccountRecord, kind: Kind, identity: str) -> Grant:
    for grant in _of(record, kind):
        if grant.id == identity:
            return grant
    name = NAMES[kind]
    raise NotFound(f"account {record.account.code} has no {name} of id {identity[:100]}")


def _moments(grant: Grant) -> tuple[datetime | None, ...]:
    match grant:
        case Prepayment() | Credit():
            return (grant.start, grant.end)
        case AdHocCharge():
            return (grant.at,)
        case _:
            assert_never(grant)


def _detail(grant: Grant) -> dict[str, str]:
    return {"id": grant.id, "value": _spelled(grant)}


def _spelled(grant: Grant) -> str:
    return json.dumps(document_of(grant), ensure_ascii=False)
