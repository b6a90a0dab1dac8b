"""Header pairs survive as they came, and only what may travel on does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core import http
from devhook.core.http import Headers

raw_pairs = st.lists(st.tuples(st.binary(), st.binary()))
names = st.sampled_from(["A", "a", "B", "X-Trace", "x-trace", "Connection"])
headers = st.lists(st.tuples(names, st.sampled_from(["1", "2", ""]))).map(tuple)


@given(raw_pairs)
def test_every_byte_of_a_raw_header_survives(raw: list[tuple[bytes, bytes]]) -> None:
    """Each byte becomes one character, and back."""
    pairs = http.from_raw(raw)
    back = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in pairs]
    assert back == raw


def test_the_first_header_of_a_name_is_found_in_any_case() -> None:
    """Names are compared without case; of repeats the first one counts."""
    pairs = (("Host", "h"), ("x-voipbin-SIGNATURE", "one"), (http.SIGNATURE, "two"))
    assert http.first(pairs, http.SIGNATURE) == "one"


def test_a_header_that_is_not_there_is_none() -> None:
    """An absent header differs from an empty one."""
    assert http.first((("A", ""),), "B") is None
    assert http.first((("A", ""),), "a") == ""


@given(headers)
def test_dropping_names_keeps_the_rest_in_order(pairs: Headers) -> None:
    """Order and repeats of what is kept do not change."""
    kept = http.without(pairs, ["X-TRACE"])
    assert kept == tuple(p for p in pairs if p[0].lower() != "x-trace")


@pytest.mark.parametrize("name", sorted(http.HOP_BY_HOP))
def test_a_hop_by_hop_header_does_not_travel_on(name: str) -> None:
    """What concerns one connection stays on it, however it is written."""
    assert http.end_to_end(((name.title(), "x"), ("Accept", "*/*"))) == (
        ("Accept", "*/*"),
    )


def test_a_header_that_connection_names_does_not_travel_on() -> None:
    """`Connection` makes the headers it lists hop-by-hop as well."""
    pairs = (
        ("Connection", "close, X-Private"),
        ("x-private", "1"),
        ("connection", "X-Other"),
        ("X-Other", "2"),
        ("X-Public", "3"),
    )
    assert http.end_to_end(pairs) == (("X-Public", "3"),)


def test_what_travels_on_keeps_order_case_and_repeats() -> None:
    """The application sees what the provider wrote."""
    pairs = (("b", "1"), ("A", "2"), ("B", "3"), ("a", "4"))
    assert http.end_to_end(pairs) == pairs


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param((), (("A", "1"), ("B", "2"), ("a", "3")), id="nothing"),
        pytest.param((("b", "9"),), (("A", "1"), ("b", "9"), ("a", "3")), id="one"),
        pytest.param((("A", "9"),), (("A", "9"), ("B", "2")), id="all-of-a-name"),
        pytest.param(
            (("a", "8"), ("A", "9")),
            (("a", "8"), ("A", "9"), ("B", "2")),
            id="by-several",
        ),
        pytest.param(
            (("C", "9"),),
            (("A", "1"), ("B", "2"), ("a", "3"), ("C", "9")),
            id="new-goes-last",
        ),
    ],
)
def test_an_override_takes_the_place_of_the_first_of_its_name(
    overrides: Headers, expected: Headers
) -> None:
    """The user's header replaces all of that name, where the first one stood."""
    pairs = (("A", "1"), ("B", "2"), ("a", "3"))
    assert http.with_overrides(pairs, overrides) == expected


@given(headers, headers)
def test_overriding_again_changes_nothing(pairs: Headers, overrides: Headers) -> None:
    """Overrides describe an end state."""
    once = http.with_overrides(pairs, overrides)
    assert http.with_overrides(once, overrides) == once


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain, ünïcode 日本", "plain, ünïcode 日本", id="untouched"),
        pytest.param("\x1b]0;owned\x07", r"\x1b]0;owned\x07", id="escape-sequence"),
        pytest.param("a\r\nb\tc", r"a\x0d\x0ab\x09c", id="lines"),
        pytest.param("\x9b31m", r"\x9b31m", id="c1"),
        pytest.param("a\u202eb", r"a\u202eb", id="right-to-left"),
        pytest.param("a\u200bb\ufeff", r"a\u200bb\ufeff", id="invisible"),
        pytest.param("\ud800", r"\ud800", id="lone-surrogate"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, shown: str) -> None:
    """An event cannot move the cursor, hide text or turn it around."""
    assert http.printable(text) == shown


@given(st.text())
def test_printable_text_can_be_written_anywhere(text: str) -> None:
    """It is valid UTF-8 on one line, and printing it again changes nothing."""
    shown = http.printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert http.printable(shown) == shown
