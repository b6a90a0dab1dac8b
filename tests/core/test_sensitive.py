"""No number, address or credential stands outside the paths that name them."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from devhook import shipped
from devhook.core.event_types import EVENT_TYPES
from devhook.core.model import Json
from devhook.core.sensitive import SECRET, sensitive_fields

PERSONAL = re.compile(r"\+\d{7,}|@|https?://|Dana|example-not-a-real-key|credentials")


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, each in value.items():
                yield from leaves(each, f"{path}.{name}" if path else name)
        case list():
            for index, each in enumerate(value):
                yield from leaves(each, f"{path}.{index}")
        case str():
            yield path, value
        case _:
            pass


def is_named(path: str, resource: str) -> bool:
    return any(
        fnmatchcase(path, named) or fnmatchcase(path, f"{named}.*")
        for named in sensitive_fields(resource)
    )


@pytest.mark.parametrize("event_type", shipped.event_types())
def test_what_is_personal_is_named(event_type: str) -> None:
    """Telephone numbers, mail addresses, links, names and credentials."""
    data = json.loads(shipped.event(event_type).events[0].body)["data"]
    resource = EVENT_TYPES[event_type].resource
    unnamed = {
        path
        for path, text in leaves(data)
        if PERSONAL.search(text) and not is_named(path, resource)
    }
    assert not unnamed


def test_every_resource_named_is_one() -> None:
    """A mistyped resource would protect nothing."""
    resources = {each.resource for each in EVENT_TYPES.values()}
    assert set(SECRET) <= resources
    assert all(sensitive_fields(name) for name in SECRET)
