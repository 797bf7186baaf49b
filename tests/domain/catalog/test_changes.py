"""Differences between two documents: complete, and named by codes."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.catalog.changes import Change, changes_between
from shared.domain.wire import Json

OLD: Json = {
    "name": "x",
    "plans": [{"code": "a", "price": "1"}, {"code": "b", "price": "2"}],
    "tags": ["p", "q"],
    "a/b": {"~": "1"},
}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param(["name"], "y", [Change("replace", "/name", "x", "y")], id="a value"),
        pytest.param(
            ["plans", 1, "price"], "3", [Change("replace", "/plans/b/price", "2", "3")],
            id="inside a member",
        ),
        pytest.param(
            ["plans"],
            [{"code": "c"}, {"code": "a", "price": "1"}, {"code": "b", "price": "2"}],
            [Change("add", "/plans/c", None, {"code": "c"})],
            id="a member in front",
        ),
        pytest.param(
            ["plans"], [{"code": "b", "price": "2"}],
            [Change("remove", "/plans/a", {"code": "a", "price": "1"}, None)], id="a member less",
        ),
        pytest.param(
            ["plans"], [{"code": "b", "price": "2"}, {"code": "a", "price": "1"}],
            [Change("replace", "/plans", ["a", "b"], ["b", "a"])], id="another order",
        ),
        pytest.param(["tags", 0], "r", [Change("replace", "/tags/0", "p", "r")], id="a plain list"),
        pytest.param(
            ["a/b", "~"], "2", [Change("replace", "/a~1b/~0", "1", "2")], id="escaped names"
        ),
        pytest.param(["plans", 0], 5, [
            Change("replace", "/plans/0", {"code": "a", "price": "1"}, 5)], id="no object now"),
    ],
)  # fmt: skip
def test_what_changed(path: list[str | int], value: Json, expected: list[Change]) -> None:
    new = copy.deepcopy(OLD)
    place: Any = new
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert list(changes_between(OLD, new)) == expected


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text("ab", max_size=2)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "code"]), inner)
    ),
    max_leaves=12,
)


@given(json_values, json_values)
def test_equal_documents_and_only_those_have_no_changes(old: Json, new: Json) -> None:
    assert (list(changes_between(old, new)) == []) is (old == new)
    assert list(changes_between(old, copy.deepcopy(old))) == []
