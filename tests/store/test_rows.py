"""What goes into a row comes out equal."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.model import (
    Address,
    Capture,
    Json,
    Kind,
    Notice,
    Outcome,
    Reading,
    Request,
    Signature,
    Source,
    State,
    Verdict,
)
from devhook.store import rows
from devhook.store.store import Store
from tests.values import LIVE, START, capture

bytes_as_text = st.binary().map(lambda raw: raw.decode("latin-1"))
headers = st.lists(st.tuples(bytes_as_text, bytes_as_text), max_size=5).map(tuple)
times = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001  hypothesis adds the zone itself
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14, 14).map(lambda h: timezone(timedelta(hours=h))),
)
maybe_text = st.none() | st.text()
seconds = st.integers(0, 10**10).map(lambda microseconds: microseconds / 1e6)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
bodies = st.dictionaries(st.text(), json, max_size=3)

captures = st.builds(
    Capture,
    uid=st.text(),
    received_at=times,
    source=st.sampled_from(Source),
    request=st.builds(
        Request,
        method=bytes_as_text,
        target=bytes_as_text,
        headers=headers,
        body=st.binary(),
    ),
    body_sha256=st.binary().map(lambda body: hashlib.sha256(body).hexdigest()),
    reading=st.builds(
        Reading,
        event_type=maybe_text,
        inferred=st.booleans(),
        resource=maybe_text,
        resource_id=maybe_text,
        activeflow_id=maybe_text,
        call_id=maybe_text,
    ),
    signature=st.sampled_from(Signature),
    remote=maybe_text,
)
outcomes = st.builds(
    Outcome,
    started_at=times,
    seconds=seconds,
    seconds_to_headers=st.none() | seconds,
    status=st.none() | st.integers(100, 999),
    error=maybe_text,
    headers=headers,
    body=st.binary(),
    cut=st.booleans(),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("rows") / "rows.db") as opened:
        yield opened


@given(captures)
def test_an_event_comes_out_as_it_was_captured(store: Store, captured: Capture) -> None:
    """Any bytes in headers, body and target; any text a body may speak of."""
    with store.transaction():
        event_id = store.add_event(3, captured, ())
    event = store.event(event_id)
    assert event is not None
    assert (event.id, event.session_id) == (event_id, 3)
    for name in Capture.__dataclass_fields__:
        assert getattr(event, name) == getattr(captured, name)


@given(outcomes, st.sampled_from(Verdict))
def test_an_attempt_comes_out_as_it_was_made(
    store: Store, outcome: Outcome, verdict: Verdict
) -> None:
    """Times to the microsecond."""
    with store.transaction():
        event_id = store.add_event(1, capture(), ())
        delivery_id = store.add_delivery(1, event_id, LIVE)
        attempt_id = store.add_attempt(delivery_id, outcome, verdict, State.DONE)
    (attempt,) = store.attempts_of(event_id)
    assert attempt.outcome == outcome
    assert attempt.verdict is verdict
    assert (attempt.id, attempt.delivery_id) == (attempt_id, delivery_id)
    assert (attempt.kind, attempt.target) == (LIVE.kind, LIVE.target)


@given(
    st.builds(
        Address,
        kind=st.sampled_from(Kind),
        target=st.text(),
        edits=st.none() | bodies,
    )
)
def test_a_delivery_comes_out_as_it_was_addressed(
    store: Store, address: Address
) -> None:
    """Edits are any JSON; none differ from no edit at all."""
    with store.transaction():
        delivery_id = store.add_delivery(1, 1, address)
    delivery = store.delivery(delivery_id)
    assert delivery is not None
    assert delivery.state is State.PENDING
    found = Address(kind=delivery.kind, target=delivery.target, edits=delivery.edits)
    assert found == address


@given(times, bodies)
def test_a_notice_comes_out_as_it_was_told(
    store: Store, at: datetime, body: dict[str, Json]
) -> None:
    """Its body is JSON."""
    with store.transaction():
        notice_id = store.add_notice(1, at, "reconnecting", body)
    (row,) = store.rows("select * from notices where id = ?", notice_id)
    assert rows.notice_of(row) == Notice(
        id=notice_id, session_id=1, at=at, type="reconnecting", body=body
    )


@given(times, st.none() | times)
def test_a_gap_comes_out_as_it_was_kept(
    store: Store, start: datetime, end: datetime | None
) -> None:
    """It has no end while it lasts."""
    with store.transaction():
        gap_id = store.open_gap(1, start, "tunnel")
        if end is not None:
            store.close_gap(gap_id, end)
    (row,) = store.rows("select * from gaps where id = ?", gap_id)
    gap = rows.gap_of(row)
    assert (gap.started_at, gap.ended_at, gap.reason) == (start, end, "tunnel")


@given(times, times)
def test_the_order_of_texts_is_the_order_of_times(one: datetime, two: datetime) -> None:
    """So that SQL compares them, whatever zone they came in."""
    assert (rows.to_text(one) < rows.to_text(two)) == (one < two)
    assert rows.to_time(rows.to_text(one)) == one


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (START, "2026-08-21T09:15:30.120451Z"),
        (START.replace(microsecond=0), "2026-08-21T09:15:30.000000Z"),
        (
            START.astimezone(timezone(timedelta(hours=9))),
            "2026-08-21T09:15:30.120451Z",
        ),
    ],
    ids=["microseconds", "whole-second", "other-zone"],
)
def test_a_time_is_rfc_3339_in_utc(time: datetime, text: str) -> None:
    """Always with six digits."""
    assert rows.to_text(time) == text
    assert rows.to_time(text).tzinfo is UTC


def test_a_lone_surrogate_is_stored_as_its_escape(store: Store) -> None:
    """JSON may say `"\\ud800"`; no column of text may."""
    reading = Reading(event_type="call_\ud800", resource_id="é\udfff")
    with store.transaction():
        event_id = store.add_event(1, capture(reading=reading), ())
    event = store.event(event_id)
    assert event is not None
    assert event.reading.event_type == r"call_\ud800"
    assert event.reading.resource_id == r"é\udfff"


def test_headers_are_json_that_others_can_read() -> None:
    """Pairs in order, each character one byte."""
    pairs = (("X-A", "1"), ("x-a", "é\x00"))
    assert rows.headers_blob(pairs) == '[["X-A","1"],["x-a","é\\u0000"]]'.encode()
