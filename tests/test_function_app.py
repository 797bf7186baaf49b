"""The app as the host indexes it: one function that is refused would make all of them vanish."""

from collections import Counter

from function_app import app


def test_every_function_can_be_indexed_and_has_a_route_of_its_own() -> None:
    functions = app.get_functions()
    assert len(functions) > 40
    routes: Counter[tuple[str, str]] = Counter()
    for function in functions:
        trigger = function.get_trigger()
        assert trigger is not None
        details = trigger.get_dict_repr()
        for method in details.get("methods", []):
            routes[str(method), str(details["route"])] += 1
    assert [route for route, count in routes.items() if count > 1] == []
