"""The root in the fragment of our URI: what goes in comes out, or is refused."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core import marker
from devhook.core.model import Setting
from devhook.errors import TakeoverError
from tests.core.takeovers import ROOT, URI, account


def packed(value: object) -> str:
    """A marker of this version that carries any JSON."""
    text = base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
    return f"{URI}#devhook=1.{text.rstrip('=')}"


@given(st.text(max_size=400), st.sampled_from(["", "GET", "POST", "PUT", "DELETE"]))
def test_a_marker_gives_back_the_root_it_carries(uri: str, method: str) -> None:
    """Whatever stood in the setting, another machine must be able to restore it."""
    root = Setting(uri=uri, method=method)
    marked = marker.with_marker(URI, root)
    if marker.is_marked(uri):
        with pytest.raises(TakeoverError):
            marker.marked_root(marked)
    elif marker.is_marked(marked):
        assert marker.marked_root(marked) == root
        assert marker.root_of(account(uri=marked)) == root


@pytest.mark.parametrize(
    "root",
    [Setting(uri="", method=""), Setting(uri="https://a.example", method="GET")],
    ids=["nothing", "by GET"],
)
def test_an_empty_root_and_its_method_are_carried_too(root: Setting) -> None:
    """No webhook at all is a legal original, and so is each method."""
    assert marker.root_of(account(uri=marker.with_marker(URI, root))) == root


def test_a_marker_that_would_pass_1023_characters_is_left_off() -> None:
    """The column that keeps the URI would cut it."""
    root = Setting(uri="https://a.example/" + "x" * 800, method="POST")
    assert marker.with_marker(URI, root) == URI


def test_a_marker_of_1023_characters_is_not_left_off() -> None:
    """The longest that fits."""
    root = Setting(uri="", method="POST")
    base = "x" * (marker.LONGEST - len(marker.with_marker("", root)))
    assert len(marker.with_marker(base, root)) == marker.LONGEST
    assert marker.with_marker(f"{base}x", root) == f"{base}x"


@pytest.mark.parametrize(
    "uri",
    [
        f"{URI}#devhook=",
        f"{URI}#devhook=2.abc",
        f"{URI}#devhook=1.",
        f"{URI}#devhook=1.!!!",
        f"{URI}#devhook=1.a",
        packed([]),
        packed({"m": "POST"}),
        packed({"u": 1, "m": "POST"}),
        packed({"u": "https://a.example", "m": None}),
    ],
    ids=[
        "no version",
        "newer",
        "empty",
        "no base64",
        "cut",
        "no object",
        "no uri",
        "uri is no text",
        "method is no text",
    ],
)
def test_an_unreadable_marker_is_refused(uri: str) -> None:
    """To take it for a plain original would restore a dead tunnel one day."""
    with pytest.raises(TakeoverError, match="cannot read"):
        marker.marked_root(uri)


def test_a_marker_that_names_another_devhook_is_refused() -> None:
    """A root is what was there before the first devhook came."""
    poisoned = packed({"u": marker.with_marker(URI, ROOT), "m": "POST"})
    with pytest.raises(TakeoverError, match="another devhook"):
        marker.root_of(account(uri=poisoned))


def test_a_plain_setting_is_its_own_root() -> None:
    """No devhook came before us."""
    assert marker.root_of(account()) == ROOT
    assert marker.marked_root("https://a.example/#other=1") is None
    assert not marker.is_marked("https://a.example/#other=1")
