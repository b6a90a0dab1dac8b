"""Values of a body are changed by dotted paths."""

import json

import pytest

from devhook.core.fixture import with_changes
from devhook.core.model import Json
from devhook.errors import UsageError

BODY = b'{"type":"a_b","data":{"status":"x","targets":[{"status":"q"},{"n":1}]}}'


def test_a_value_is_set_by_its_path() -> None:
    """Through objects and lists; what is not named stays."""
    after = with_changes(BODY, sets={"data.targets.0.status": "<sent>", "type": 1})
    assert after == (
        rb'{"type":1,"data":{"status":"x",'
        rb'"targets":[{"status":"\u003csent\u003e"},{"n":1}]}}'
    )


def test_unset_takes_away_what_stood_at_each_index_before() -> None:
    """The second index does not slip when the first is gone."""
    after = with_changes(BODY, unsets=["data.targets.0", "data.targets.1", "type"])
    assert after == b'{"data":{"status":"x","targets":[]}}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data.new", {"new": 7}),
        ("data.a.b", {"a": {"b": 7}}),
        ("data.status", {"status": 7}),
        ("data.targets.2", {"targets": [{"status": "q"}, {"n": 1}, 7]}),
        ("data.targets.0", {"targets": [7, {"n": 1}]}),
        (r"data.with\.dot", {"with.dot": 7}),
    ],
)
def test_add_makes_what_is_missing(path: str, expected: dict[str, Json]) -> None:
    """And what it is in, if that is missing too."""
    data = json.loads(with_changes(BODY, adds={path: 7}))["data"]
    assert {name: data[name] for name in expected} == expected


@pytest.mark.parametrize("path", ["data.stauts", "status", "data.targets.9.status"])
def test_an_unknown_path_names_near_ones(path: str) -> None:
    """A typing mistake must not make a new field."""
    with pytest.raises(UsageError) as caught:
        with_changes(BODY, sets={path: 1})
    assert repr(path) in caught.value.message
    assert "data.status" in (caught.value.hint or "")
    assert f"--add {path}=" in (caught.value.hint or "")


def test_an_unknown_path_cannot_be_unset() -> None:
    """It is not there."""
    with pytest.raises(UsageError, match=r"there is no 'data\.x'"):
        with_changes(BODY, unsets=["data.x"])


@pytest.mark.parametrize("path", ["data.targets.5", "data.targets.x", "type.x"])
def test_add_fails_where_nothing_can_be_put(path: str) -> None:
    """Beyond the end of a list, or into a text."""
    with pytest.raises(UsageError, match="cannot be added"):
        with_changes(BODY, adds={path: 1})


def test_a_body_that_is_not_json_cannot_be_changed() -> None:
    """There are no paths in it."""
    with pytest.raises(UsageError, match="not JSON"):
        with_changes(b"a=b", sets={"a": 1})
