"""A fixture is played as if it happened elsewhere and later."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.fixture import Fixture, FixtureEvent, Meta, moved
from devhook.core.signature import sign

ID = "6c44f3f4-399c-4b46-84fa-c74aa9cbc99f"
CUSTOMER = "b3e8a1c0-52a7-4bfe-ab54-11445369c7c2"
OTHER = "f1a8fc7f-b316-4b87-bc36-ceb034e9df91"
NIL = "00000000-0000-0000-0000-000000000000"
START = datetime(2030, 1, 1, tzinfo=UTC)


def fixture(*bodies: bytes) -> Fixture:
    """One event of each body, a tenth of a second apart, signed wrongly."""
    events = tuple(
        FixtureEvent(
            offset_ms=index * 100,
            method="POST",
            headers=(("X-Voipbin-Signature", "sha256=0"),),
            body=body,
        )
        for index, body in enumerate(bodies)
    )
    return Fixture(
        meta=Meta(made_by="devhook", source="a test", secret="s3cret"), events=events
    )


class FreshIds:
    """aaaaaaaa-…-0001, -0002 and so on."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return f"aaaaaaaa-0000-7000-8000-{self.given:012d}"


def test_an_id_becomes_the_same_fresh_one_everywhere() -> None:
    """In any event, in upper case, and inside a longer text."""
    before = fixture(
        f'{{"id":"{ID}","o":"{OTHER}"}}'.encode(),
        f'{{"u":"https://x.example/{ID.upper()}?a"}}'.encode(),
    )
    after = moved(before, start=START, fresh_id=FreshIds())
    assert [each.body for each in after.events] == [
        b'{"id":"aaaaaaaa-0000-7000-8000-000000000001",'
        b'"o":"aaaaaaaa-0000-7000-8000-000000000002"}',
        b'{"u":"https://x.example/aaaaaaaa-0000-7000-8000-000000000001?a"}',
    ]


def test_ids_that_are_the_same_for_everybody_stay() -> None:
    """Nil, and the flow's actions of start and finish."""
    body = f'{{"a":"{NIL}","b":"{NIL[:-1]}1"}}'.encode()
    assert moved(fixture(body), start=START, fresh_id=FreshIds()).events[0].body == body


def test_the_customer_becomes_the_one_given() -> None:
    """Whatever field it stands in."""
    body = f'{{"customer_id":"{CUSTOMER}","x":"{CUSTOMER}"}}'.encode()
    after = moved(fixture(body), start=START, fresh_id=FreshIds(), customer_id=OTHER)
    assert after.events[0].body == body.replace(CUSTOMER.encode(), OTHER.encode())


def test_times_move_by_one_offset_and_keep_their_distance() -> None:
    """The newest time of the first event comes to lie at the start."""
    after = moved(
        fixture(
            b'{"tm_create":"2026-08-21T09:15:30.5Z","tm_update":"2026-08-21T09:15:31Z"}',
            b'{"tm_update":"2026-08-21T10:15:31.000001Z","tm_delete":null}',
        ),
        start=START,
        fresh_id=FreshIds(),
    )
    assert [each.body for each in after.events] == [
        b'{"tm_create":"2029-12-31T23:59:59.5Z","tm_update":"2030-01-01T00:00:00Z"}',
        b'{"tm_update":"2030-01-01T01:00:00.000001Z","tm_delete":null}',
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-08-21T00:00:00Z", "2030-01-01T00:00:00Z"),
        ("2026-08-20T23:59:59.1230Z", "2029-12-31T23:59:59.123Z"),
        ("2026-08-20T23:59:59.123456789Z", "2029-12-31T23:59:59.123456789Z"),
        ("2026-08-21T02:00:00+02:00", "2030-01-01T02:00:00+02:00"),
        ("2026-08-20 23:59:59.636000", "2029-12-31 23:59:59.636000"),
        ("0001-01-01T00:00:06.2Z", "0001-01-01T00:00:06.2Z"),
        ("9999-01-01T00:00:00.000000Z", "9999-01-01T00:00:00.000000Z"),
        ("2026-13-45T00:00:00Z", "2026-13-45T00:00:00Z"),
        ("at 2026-08-21T00:00:00Z", "at 2026-08-21T00:00:00Z"),
    ],
)
def test_a_moved_time_is_written_as_it_was(before: str, after: str) -> None:
    """Go trims zeros; offsets, never, nonsense and prose are no moments."""
    body = b'{"t":"2026-08-21T00:00:00Z","x":"%b"}'
    result = moved(fixture(body % before.encode()), start=START, fresh_id=FreshIds())
    assert json.loads(result.events[0].body)["x"] == after


@given(
    st.lists(st.integers(0, 10**9), min_size=2),
    st.timedeltas(timedelta(days=-10_000), timedelta(days=60_000)),
)
def test_order_and_differences_of_times_are_kept(
    moments: list[int], later: timedelta
) -> None:
    """To the microsecond, wherever they are moved."""
    start = START + later
    origin = datetime(2026, 8, 21, tzinfo=UTC)
    before = [origin + timedelta(microseconds=each) for each in moments]
    body = json.dumps([f"{each:%Y-%m-%dT%H:%M:%S.%f}Z" for each in before]).encode()
    result = moved(fixture(body), start=start, fresh_id=FreshIds()).events[0].body
    after = [datetime.fromisoformat(each) for each in json.loads(result)]
    assert [each - after[0] for each in after] == [each - before[0] for each in before]
    assert max(after) == start


def test_an_event_without_times_leaves_the_start_to_the_next() -> None:
    """Its own offset counts."""
    after = moved(
        fixture(b"{}", b'["2026-08-21T00:00:00Z"]'), start=START, fresh_id=FreshIds()
    )
    assert after.events[1].body == b'["2030-01-01T00:00:00.1Z"]'


def test_moved_events_are_signed_again() -> None:
    """Their bytes have changed."""
    before = fixture(f'{{"id":"{ID}"}}'.encode())
    after = moved(before, start=START, fresh_id=FreshIds()).events[0]
    assert after.headers == (("X-Voipbin-Signature", sign("s3cret", after.body)),)
