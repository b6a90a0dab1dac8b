"""What a session leaves behind, and what the next one takes over."""

import pytest

from devhook.core.model import (
    Address,
    Delivery,
    Kind,
    State,
    Verdict,
)
from devhook.store.store import Store
from tests.values import APP, LIVE, MIRROR, START, answered, at, capture

REPLAY = Address(kind=Kind.REPLAY, target=APP)


def open_session(store: Store, *, seconds: float = 0, process: str = "1@now") -> int:
    with store.transaction():
        return store.open_session(
            profile="acme",
            account="b3e8a1c0",
            source="up",
            process=process,
            target=APP,
            at=at(seconds),
        )


def end_session(store: Store, session_id: int, *, seconds: float) -> None:
    with store.transaction():
        store.end_session(session_id, at(seconds), "signal")


def add_event(store: Store, session_id: int, *addresses: Address) -> int:
    with store.transaction():
        return store.add_event(session_id, capture(), addresses)


def only_delivery(store: Store, event_id: int) -> Delivery:
    (delivery,) = store.deliveries_of(event_id)
    return delivery


def test_a_session_comes_out_as_it_was_opened_and_ended(store: Store) -> None:
    """What was not known at its start is None, and may be told later."""
    session_id = open_session(store)
    with store.transaction():
        store.update_session(session_id, public_url="https://relay.example.com/t/k3")
    end_session(store, session_id, seconds=60)
    session = store.session(session_id)
    assert session is not None
    assert (session.profile, session.account) == ("acme", "b3e8a1c0")
    assert (session.tunnel, session.target) == (None, APP)
    assert session.public_url == "https://relay.example.com/t/k3"
    assert (session.started_at, session.ended_at) == (START, at(60))
    assert session.ended_how == "signal"


def test_a_session_whose_process_is_gone_is_buried(store: Store) -> None:
    """One that runs, or ended by itself, is left alone."""
    died = open_session(store, process="dead")
    lives = open_session(store, process="alive")
    ended = open_session(store, process="dead")
    end_session(store, ended, seconds=1)
    with store.transaction():
        assert store.bury(lambda process: process == "alive") == 1
    how = [s and s.ended_how for s in map(store.session, (died, lives, ended))]
    assert how == ["died", None, "signal"]


def test_a_session_that_died_ended_when_it_was_last_heard_of(store: Store) -> None:
    """By an event, a notice, or an attempt that it had not done with."""
    quiet, told, captured, tried = (open_session(store) for _ in range(4))
    with store.transaction():
        store.add_notice(told, at(1), "reconnecting", {})
        store.add_event(captured, capture(received_at=at(2)), [])
        store.add_event(tried, capture(received_at=at(2)), [LIVE])
        store.claim(1, "dead", at(3))
        store.add_attempt(
            1, answered(500, started_at=at(4)), Verdict.RETRIED, State.CLAIMED
        )
        store.bury(lambda _: False)
    found = [
        s and s.ended_at for s in map(store.session, (quiet, told, captured, tried))
    ]
    assert found == [at(0), at(1), at(2), at(4)]


@pytest.mark.parametrize("state", ["pending", "claimed"])
def test_live_deliveries_are_inherited_within_60_s(store: Store, state: str) -> None:
    """A restart goes on where the last run was cut off."""
    earlier = open_session(store)
    event_id = add_event(store, earlier, LIVE)
    if state == "claimed":
        with store.transaction():
            store.claim(1, "dead", START)
    end_session(store, earlier, seconds=5)
    ours = open_session(store, seconds=65)
    with store.transaction():
        assert store.inherit(ours, APP, at(65)) == 1
    delivery = only_delivery(store, event_id)
    assert (delivery.session_id, delivery.state) == (ours, State.PENDING)
    assert (delivery.claimed_by, delivery.claimed_at) == (None, None)


@pytest.mark.parametrize(
    ("address", "target", "seconds"),
    [
        pytest.param(LIVE, APP, 65.001, id="after-60s"),
        pytest.param(LIVE, "http://127.0.0.1:4000", 10, id="other-target"),
        pytest.param(MIRROR, MIRROR.target, 10, id="mirror"),
        pytest.param(REPLAY, APP, 10, id="replay"),
    ],
)
def test_what_is_not_inherited_becomes_stale(
    store: Store, address: Address, target: str, seconds: float
) -> None:
    """It is never sent by itself, and offered for replay."""
    earlier = open_session(store)
    event_id = add_event(store, earlier, address)
    end_session(store, earlier, seconds=5)
    ours = open_session(store, seconds=seconds)
    with store.transaction():
        assert store.inherit(ours, target, at(seconds)) == 0
    delivery = only_delivery(store, event_id)
    assert (delivery.session_id, delivery.state) == (earlier, State.FAILED)
    assert delivery.reason == "stale"


def test_what_a_running_session_has_is_left_to_it(store: Store) -> None:
    """A process sends only its own session's deliveries."""
    other = open_session(store)
    event_id = add_event(store, other, LIVE)
    ours = open_session(store, seconds=1)
    with store.transaction():
        assert store.inherit(ours, APP, at(1)) == 0
    delivery = only_delivery(store, event_id)
    assert (delivery.session_id, delivery.state) == (other, State.PENDING)


def test_what_was_settled_is_not_inherited(store: Store) -> None:
    """Done is done, failed has its own reason."""
    earlier = open_session(store)
    event_id = add_event(store, earlier, LIVE, LIVE)
    with store.transaction():
        store.settle(1, State.DONE)
        store.settle(2, State.FAILED, reason="swallowed")
    end_session(store, earlier, seconds=5)
    with store.transaction():
        assert store.inherit(earlier + 1, APP, at(6)) == 0
    found = [(d.state, d.reason) for d in store.deliveries_of(event_id)]
    assert found == [(State.DONE, None), (State.FAILED, "swallowed")]


def test_a_session_that_ends_leaves_only_pending_live_ones(store: Store) -> None:
    """A try that was cut off is told apart from what was never tried."""
    session_id = open_session(store)
    event_id = add_event(store, session_id, LIVE, LIVE, MIRROR, REPLAY)
    with store.transaction():
        store.claim(1, "we", START)
        store.release(session_id)
    found = [(d.state, d.reason) for d in store.deliveries_of(event_id)]
    assert found == [
        (State.FAILED, "interrupted"),
        (State.PENDING, None),
        (State.FAILED, "stale"),
        (State.FAILED, "stale"),
    ]
