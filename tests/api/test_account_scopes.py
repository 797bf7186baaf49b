"""What callers that are limited to accounts are told of families."""

import pytest

from shared.api.account_documents import account_of, check_family
from shared.api.request import Request
from shared.domain.caller import Caller, CallerKind
from shared.domain.errors import Forbidden, NotFound
from shared.domain.ids import AccountCode
from tests.services.desk import Desk

ACME, LAB = AccountCode("acme"), AccountCode("lab")


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.account("acme")
    made.account("lab", parent="acme")
    return made


@pytest.mark.parametrize(
    ("accounts", "code", "told"),
    [
        (None, LAB, True),
        ({ACME, LAB}, LAB, True),
        ({ACME}, ACME, True),
        ({LAB}, LAB, False),
    ],
)
def test_what_a_family_owes_is_told_to_those_who_reach_its_parent(
    desk: Desk, accounts: set[AccountCode] | None, code: AccountCode, *, told: bool
) -> None:
    limited = None if accounts is None else frozenset(accounts)
    caller = Caller(CallerKind.SERVICE_USER, "key", accounts=limited)
    if told:
        check_family(caller, code, desk.accounts.payer)
        return
    with pytest.raises(Forbidden, match="is billed with acme"):
        check_family(caller, code, desk.accounts.payer)


@pytest.mark.parametrize("code", ["a|b", "", "..%2f", "a\n", "\uff41cme", "a" * 65, "a\u200b"])
def test_what_no_account_is_called_is_not_looked_for(code: str) -> None:
    with pytest.raises(NotFound):
        account_of(Request("GET", {}, {}, {"code": code}, b""))
