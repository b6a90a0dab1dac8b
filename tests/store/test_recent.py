"""Equal events name the first of them within 10 s."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.model import (
    Capture,
)
from devhook.store.recent import SAME_WITHIN, Recent
from devhook.store.store import Store
from tests.values import LIVE, at, capture


@pytest.mark.parametrize(
    ("second", "same_as"),
    [
        pytest.param(capture(received_at=at(0)), 1, id="at-once"),
        pytest.param(capture(received_at=at(10)), 1, id="after-10s"),
        pytest.param(capture(received_at=at(10.001)), None, id="later"),
        pytest.param(capture(received_at=at(-5)), 1, id="clock-set-back"),
        pytest.param(capture(received_at=at(-3600)), None, id="clock-set-far-back"),
        pytest.param(capture(method="PUT"), None, id="other-method"),
        pytest.param(capture(b"{}"), None, id="other-body"),
        pytest.param(
            capture(headers=(("A", "1"),), target="/x"), 1, id="other-headers"
        ),
    ],
)
def test_an_equal_event_names_the_one_before(
    store: Store, second: Capture, same_as: int | None
) -> None:
    """Equal method and body within 10 s."""
    with store.transaction():
        store.add_event(1, capture(), [])
        second_id = store.add_event(1, second, [])
    found = store.event(second_id)
    assert found is not None
    assert found.same_as == same_as


def test_of_several_equal_events_the_first_within_10_s_is_named(store: Store) -> None:
    """Each looks 10 s back, whatever the others did."""
    with store.transaction():
        for seconds in (0, 8, 12, 17, 40):
            store.add_event(1, capture(received_at=at(seconds)), [])
    found = [row["same_as"] for row in store.rows("select same_as from events")]
    assert found == [None, 1, 2, 2, None]


def test_an_equal_event_of_another_session_is_not_named(store: Store) -> None:
    """Sessions record the same account at different times."""
    with store.transaction():
        store.add_event(1, capture(), [])
        store.add_event(2, capture(), [])
    assert [row[0] for row in store.rows("select same_as from events")] == [None] * 2


def fail_after_an_event(store: Store) -> None:
    with store.transaction():
        store.add_event(1, capture(), [LIVE])
        raise ZeroDivisionError


def test_an_event_that_was_not_kept_is_never_named(store: Store) -> None:
    """Its id goes to another event."""
    with pytest.raises(ZeroDivisionError):
        fail_after_an_event(store)
    with store.transaction():
        store.add_event(1, capture(b"another"), [])
        store.add_event(1, capture(), [])
    assert [row[0] for row in store.rows("select same_as from events")] == [None] * 2


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.floats(0, 6)), max_size=30))
def test_equal_events_are_those_a_search_would_find(
    steps: list[tuple[bytes, float]],
) -> None:
    """What is forgotten was too old to matter."""
    recent, kept, now = Recent(), list[tuple[int, bytes, float]](), 0.0
    for event_id, (body, pause) in enumerate(steps):
        now += pause
        captured = capture(body, received_at=at(now))
        expected = [
            n for n, b, then in kept if b == body and at(now) - at(then) <= SAME_WITHIN
        ]
        assert recent.first(1, captured) == (expected[0] if expected else None)
        recent.add(1, captured, event_id)
        kept.append((event_id, body, now))
