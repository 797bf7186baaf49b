"""Route templates and the choice of a function."""

import pytest

from local.host.routes import Found, NoRoute, Route, RouteTable, WrongMethod, decode_path
from local.host.templates import TemplateError, parse_template

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("usage", "usage", {}),
        ("usage", "USAGE", {}),
        ("usage/{tenant}", "usage/Acme", {"tenant": "Acme"}),
        ("usage/{tenant}", "usage", None),
        ("usage/{tenant}", "usage/a/b", None),
        ("usage/{tenant}/{id?}", "usage/a", {"tenant": "a"}),
        ("usage/{tenant}/{id:int?}", "usage/a/7", {"tenant": "a", "id": "7"}),
        ("usage/{tenant}/{id:int?}", "usage/a/x", None),
        ("pages/{page=home}", "pages", {"page": "home"}),
        ("pages/{page=home}", "pages/x", {"page": "x"}),
        ("{*rest}", "", {}),
        ("{*rest}", "a/b/c", {"rest": "a/b/c"}),
        ("files/{**rest}", "files/a/b", {"rest": "a/b"}),
        ("files/{*rest}", "files", {}),
        ("files/{*rest}", "filesystem", None),
        ("{name}.{extension}", "report.csv", {"name": "report", "extension": "csv"}),
        ("v{version:int}/x", "v12/x", {"version": "12"}),
        ("a.b", "aXb", None),
        ("{n:int}", "2147483648", None),
        ("{n:int}", "-5", {"n": "-5"}),
        ("{n:long}", "2147483648", {"n": "2147483648"}),
        ("{n:long}", "9223372036854775808", None),
        ("{n:guid}", GUID, {"n": GUID}),
        ("{n:guid}", GUID[:-1], None),
        ("{n:alpha}", "abc", {"n": "abc"}),
        ("{n:alpha}", "ab1", None),
        ("{n:bool}", "True", {"n": "True"}),
        ("{n:bool}", "yes", None),
        ("{n:decimal}", "-1.50", {"n": "-1.50"}),
        ("{n:decimal}", "1e5", None),
        ("{n:double}", "1e5", {"n": "1e5"}),
        ("{n:double}", "one", None),
        ("{n:length(3)}", "abc", {"n": "abc"}),
        ("{n:length(3)}", "abcd", None),
        ("{n:length(2,4)}", "abcd", {"n": "abcd"}),
        ("{n:minlength(3)}", "ab", None),
        ("{n:maxlength(3)}", "abcd", None),
        ("{n:min(18)}", "17", None),
        ("{n:max(18)}", "18", {"n": "18"}),
        ("{n:range(1,5)}", "6", None),
        ("{n:int:min(1)}", "0", None),
        ("{n:datetime}", "2026-11-22", {"n": "2026-11-22"}),
        ("{n:datetime}", "2026-13-22", None),
        (r"{n:regex(^\d{{3}}-\d{{2}}$)}", "123-45", {"n": "123-45"}),
        (r"{n:regex(^\d{{3}}-\d{{2}}$)}", "12-345", None),
    ],
)
def test_template(template: str, path: str, values: dict[str, str] | None) -> None:
    assert parse_template(template).match(path) == values


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("a/{b", "braces"),
        ("a/b}", "braces"),
        ("{a}/{A}", "named twice"),
        ("{a?}/b", "only the last"),
        ("{*a}/b", "only the last"),
        ("x{a?}", "whole segment"),
        ("{a:colour}", "unknown"),
        ("{a:length(x)}", "whole numbers"),
        ("{a:range(1)}", "number of arguments"),
        ("{a:regex([)}", "regex"),
    ],
)
def test_unreadable_template(template: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        parse_template(template)


def _table(*routes: tuple[str, str, set[str]], prefix: str = "api") -> RouteTable:
    return RouteTable([Route(name, path, frozenset(kinds)) for name, path, kinds in routes], prefix)


def test_the_more_specific_template_is_chosen_whatever_the_order() -> None:
    table = _table(
        ("all", "{*rest}", set()),
        ("one", "bills/{id}", set()),
        ("number", "bills/{id:int}", set()),
        ("run", "bills/run", set()),
    )
    chosen = {
        path: found.function
        for path in ("/api/bills/run", "/api/bills/7", "/api/bills/x", "/api/else/where")
        if isinstance(found := table.find("GET", path), Found)
    }
    assert chosen == {
        "/api/bills/run": "run",
        "/api/bills/7": "number",
        "/api/bills/x": "one",
        "/api/else/where": "all",
    }


def test_functions_share_a_path_by_method() -> None:
    table = _table(("read", "items/{id}", {"GET"}), ("write", "items/{id}", {"PUT", "PATCH"}))
    assert table.find("GET", "/api/items/1") == Found("read", {"id": "1"})
    assert table.find("PATCH", "/api/items/1") == Found("write", {"id": "1"})
    assert table.find("HEAD", "/api/items/1") == Found("read", {"id": "1"})
    assert table.find("DELETE", "/api/items/1") == WrongMethod(("GET", "HEAD", "PATCH", "PUT"))


def test_head_needs_get() -> None:
    table = _table(("write", "items", {"POST"}))
    assert table.find("HEAD", "/api/items") == WrongMethod(("POST",))


@pytest.mark.parametrize("path", ["/", "/api", "/api/other", "/items", "/apix/items"])
def test_unknown_path(path: str) -> None:
    assert _table(("items", "items", set())).find("GET", path) == NoRoute()


def test_prefix_may_be_empty_and_slashes_at_the_end_do_not_count() -> None:
    table = _table(("items", "/items", set()), prefix="")
    assert table.find("GET", "/items/") == Found("items", {})


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [("/a/b", "/a/b"), ("/a%20b", "/a b"), ("/%C3%A9", "/é"), ("/a%2Fb%2fc", "/a%2Fb%2fc")],
)
def test_decode_path(raw: str, decoded: str) -> None:
    assert decode_path(raw) == decoded
