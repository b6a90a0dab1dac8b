"""What is decided about an account: markers, read-backs, restores."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core import takeover as core
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.errors import TakeoverError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROOT = Setting(uri="https://api.acme.example/voip?key=1", method="POST")
MINE = "https://relay.example/t/abc/secret#devhook=1.x"


def account(uri: str = ROOT.uri, method: str = ROOT.method, **other: str) -> Account:
    given = {"name": "Acme", "detail": "", "email": "a@acme.example"}
    given |= {"phone_number": "", "address": "1 Way"} | other
    return Account(
        id="b3e8a1c0", webhook_uri=uri, webhook_method=method, tm_update="1", **given
    )


def record(stage: Stage, *, put_at: datetime | None = None) -> Takeover:
    return Takeover(
        id=1,
        api_url="https://api/v1.0",
        account_id="b3e8a1c0",
        account_name="Acme",
        profile="default",
        session_id=1,
        process="1@x",
        mine=MINE,
        root=ROOT,
        stage=stage,
        started_at=NOW,
        put_at=put_at,
        ended_at=None,
        error=None,
    )


@given(st.text(max_size=400), st.sampled_from(["", "GET", "POST", "PUT", "DELETE"]))
def test_a_marker_gives_back_the_root_it_carries(uri: str, method: str) -> None:
    """Whatever stood in the setting, another machine must be able to restore it."""
    root = Setting(uri=uri, method=method)
    marked = core.with_marker("https://relay.example/x", root)
    if core.is_marked(uri):
        with pytest.raises(TakeoverError):
            core.marked_root(marked)
    elif core.is_marked(marked):
        assert core.marked_root(marked) == root
        assert core.root_of(account(uri=marked)) == root


def test_a_marker_that_would_pass_1023_characters_is_left_off() -> None:
    """The column that keeps the URI would cut it."""
    root = Setting(uri="https://a.example/" + "x" * 800, method="POST")
    assert (
        core.with_marker("https://relay.example/x", root) == "https://relay.example/x"
    )


@pytest.mark.parametrize(
    "fragment",
    ["2.abc", "1.", "1.!!!", "1.e30", "1.eyJ1IjoxLCJtIjoiIn0", ""],
    ids=["newer", "empty", "no base64", "no fields", "wrong type", "no version"],
)
def test_an_unreadable_marker_is_refused(fragment: str) -> None:
    """To take it for a plain original would restore a dead tunnel one day."""
    with pytest.raises(TakeoverError):
        core.marked_root(f"https://relay.example/x#devhook={fragment}")


def test_a_plain_setting_is_its_own_root() -> None:
    """No devhook came before us."""
    assert core.root_of(account()) == ROOT
    assert core.marked_root("https://a.example/#other=1") is None


def test_a_put_carries_five_fields_of_the_newest_get() -> None:
    """A colleague's new name must not be undone by our restore."""
    fields = core.fields_with(account(name="New name"), Setting(uri="", method=""))
    assert fields == {
        "name": "New name",
        "detail": "",
        "email": "a@acme.example",
        "phone_number": "",
        "address": "1 Way",
        "webhook_method": "",
        "webhook_uri": "",
    }


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (account(uri=MINE), core.Sight.MINE),
        (account(uri=MINE.partition("#")[0]), core.Sight.STRIPPED),
        (account(), core.Sight.NOT_YET),
        (account(uri="https://other.example"), core.Sight.FOREIGN),
        (account(uri=MINE, email=""), core.Sight.DAMAGED),
        (account(uri=MINE, method="GET"), core.Sight.DAMAGED),
        (account(uri=""), core.Sight.FOREIGN),
    ],
    ids=["mine", "stripped", "not yet", "foreign", "email lost", "method", "cleared"],
)
def test_a_read_back_is_held_against_all_seven_fields(
    after: Account, expected: core.Sight
) -> None:
    """A PUT that blanks a field is noticed at once."""
    assert core.sight(account(), Setting(uri=MINE, method="POST"), after) is expected


@pytest.mark.parametrize("stage", list(Stage))
def test_only_our_own_setting_is_ever_written_over(stage: Stage) -> None:
    """Whatever the record says, a foreign value stays."""
    late = NOW + timedelta(seconds=61)
    held = record(stage, put_at=NOW)
    foreign = account(uri="https://other.example")
    decision = core.to_restore(held, foreign, now=late, bound=60)
    assert decision == core.Leave(Setting(uri="https://other.example", method="POST"))


@pytest.mark.parametrize("stage", list(Stage))
def test_our_own_setting_is_replaced_by_the_root(stage: Stage) -> None:
    """The other five fields come from the GET that showed it."""
    found = account(uri=MINE, name="Renamed")
    decision = core.to_restore(record(stage), found, now=NOW, bound=60)
    assert decision == core.Put(core.fields_with(found, ROOT))


def test_a_put_under_way_is_waited_for() -> None:
    """The root may show because our PUT has not arrived yet."""
    held = record(Stage.PUT_SENT, put_at=NOW)
    early = NOW + timedelta(seconds=59)
    assert core.to_restore(held, account(), now=early, bound=60) == core.Wait(
        NOW + timedelta(seconds=60)
    )
    late = NOW + timedelta(seconds=60)
    assert core.to_restore(held, account(), now=late, bound=60) == core.Done()


def test_a_clock_set_back_does_not_make_a_restore_wait_for_ever() -> None:
    """A PUT from the future is no reason to wait."""
    held = record(Stage.PUT_SENT, put_at=NOW + timedelta(days=1))
    assert core.to_restore(held, account(), now=NOW, bound=60) == core.Done()


def test_an_empty_root_is_restored_as_empty() -> None:
    """No webhook at all is a legal original."""
    held = replace(record(Stage.ACTIVE), root=Setting(uri="", method=""))
    decision = core.to_restore(held, account(uri=MINE), now=NOW, bound=60)
    assert isinstance(decision, core.Put)
    assert decision.fields["webhook_uri"] == ""
    assert decision.fields["webhook_method"] == ""
