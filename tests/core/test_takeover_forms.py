"""A webhook URI that the API keeps in a form of its own, or only without a marker."""

from dataclasses import replace

import pytest

from devhook.core import takeover as core
from devhook.core.marker import with_marker, without_marker
from devhook.core.model import Stage
from devhook.core.path_secret import path_secret, same_secret
from devhook.core.restoring import begin_restoring
from devhook.core.takeover import (
    FRESH,
    GET,
    SPACING,
    Accepted,
    Fail,
    Failed,
    Keep,
    NotTaken,
    Pause,
    Put,
    Rested,
    Sight,
    Stale,
    Took,
)
from devhook.core.taking import SEEN_WITHIN, Taking
from devhook.errors import (
    ChangedElsewhere,
    DevhookError,
    Refused,
    TakeoverError,
    Unreachable,
)
from tests.core.takeovers import (
    BOUND,
    ROOT,
    WHO,
    account,
    after,
    moment,
    record,
    shown,
)

URI = "https://Relay.Example/t/lease/AbCdEfGhIjKlMnOpQrStUvWx"
MINE = with_marker(URI, ROOT)
FORMS = {
    "host in lower case": MINE.replace("Relay.Example", "relay.example"),
    "default port": MINE.replace("Example/", "Example:443/"),
    "slash at the end": MINE.replace("#", "/#"),
    "slash, no marker": f"{URI}/",
    "escaped marker": MINE.replace("#devhook=", "#devhook%3D"),
    "all in lower case": MINE.lower(),
}
OTHERS = {
    "another secret": MINE.replace("AbCd", "ZbCd"),
    "the secret in the query": "https://x.example/?next=/t/AbCdEfGhIjKlMnOpQrStUvWx",
    "the secret in the middle": "https://x.example/AbCdEfGhIjKlMnOpQrStUvWx/more",
    "nothing": "",
}
REJECTED = Failed(Fail.REJECTED, "answered 400")


@pytest.mark.parametrize("uri", FORMS.values(), ids=FORMS)
def test_a_form_of_our_uri_is_ours(uri: str) -> None:
    """It holds the path secret, which nobody else knows; so a dead run is undone."""
    mine = replace(record(Stage.PUT_SENT), mine=MINE)
    assert core.is_ours(mine, uri)
    assert core.is_ours(replace(mine, mine=uri), uri)
    assert core.sight(account(), MINE, account(uri, "POST")) is Sight.MINE


@pytest.mark.parametrize("uri", OTHERS.values(), ids=OTHERS)
def test_what_does_not_end_in_the_secret_is_not(uri: str) -> None:
    """Somebody else set it, and it stays."""
    assert not core.is_ours(replace(record(Stage.ACTIVE), mine=MINE), uri)
    assert core.sight(account(), MINE, account(uri)) is Sight.FOREIGN


def test_a_short_segment_is_no_secret() -> None:
    """Two endpoints may well both end in /webhook."""
    assert path_secret("https://a.example/v1/webhook/?k=1#x") == "webhook"
    assert not same_secret("https://a.example/webhook", "https://b.example/webhook")
    assert not same_secret("", "")


# --- an API that does not like the marker --------------------------------------------


def rejected() -> Taking:
    """As far as the GET after a PUT that was answered 400."""
    taking = Taking(who=WHO, uri=URI, before=account())
    taking = after(taking, shown(), None, shown(), None, at=moment())
    return after(taking, REJECTED, at=moment())


def test_a_rejected_put_is_tried_once_more_without_the_marker() -> None:
    """A second later, after a GET that still shows the root; on record before."""
    pausing = after(rejected(), shown(), at=moment(0.1))
    assert isinstance(pausing.action, Pause)
    assert pausing.action.seconds == pytest.approx(SPACING - 0.1)
    again = after(pausing, Rested(), shown(name="Renamed"), at=moment(1.1))
    assert isinstance(again.action, Keep)
    assert again.action.record.mine == URI
    assert again.action.record.stage is Stage.PUT_SENT
    assert again.action.record.put == moment(1.1)
    sent = after(again, None, at=moment(1.2))
    assert isinstance(sent.action, Put)
    assert sent.action.account == account(URI, "POST", name="Renamed")
    done = after(sent, Accepted(), shown(uri=URI, method="POST"), None, at=moment(1.3))
    assert isinstance(done.action, Took)


def test_a_rejected_put_that_shows_was_applied() -> None:
    """The public source answers 400 also when it wrote, and could not read back."""
    taking = after(rejected(), shown(uri=MINE, method="POST"), at=moment(0.1))
    assert isinstance(taking.action, Keep)
    assert taking.action.record.stage is Stage.ACTIVE
    assert taking.action.record.mine == MINE


def test_the_marked_put_may_still_show_later() -> None:
    """Either of the two is ours."""
    bare = replace(record(Stage.PUT_SENT), mine=without_marker(MINE))
    assert core.is_ours(bare, MINE)


def test_a_put_that_is_rejected_twice_is_an_error() -> None:
    """There is nothing more to leave away."""
    again = after(rejected(), shown(), None, at=moment(1.1))
    failed = after(again, REJECTED, shown(), at=moment(1.2))
    assert isinstance(failed.action, Pause)
    ended = after(failed, Rested(), shown(), at=moment(1.1 + SEEN_WITHIN))
    assert isinstance(ended.action, NotTaken)
    assert ended.action.error is TakeoverError
    assert "answered 400" in ended.action.message


def test_a_first_put_that_shows_says_nothing_of_the_second() -> None:
    """An old copy hid it; the second one is looked for, and left to the restore."""
    again = after(rejected(), shown(), None, at=moment(1.1))
    first = shown(uri=MINE, method="POST")
    waiting = after(again, Failed(Fail.UNKNOWN, "no answer"), first, at=moment(1.2))
    assert isinstance(waiting.action, Pause)
    ended = after(waiting, Rested(), first, at=moment(1.1 + SEEN_WITHIN))
    assert isinstance(ended.action, NotTaken)
    assert ended.record is not None
    assert ended.record.stage is Stage.PUT_SENT


def test_a_restore_waits_for_the_second_put_while_the_first_shows() -> None:
    """Put back before it arrives, the root would be run over by a closed session."""
    bare = replace(record(Stage.PUT_SENT, put=moment()), mine=without_marker(MINE))
    first = shown(uri=MINE, method="POST")
    for now, action in ((BOUND - 1, Pause), (BOUND, Keep)):
        machine = begin_restoring(bare, moment(now), bound=BOUND)
        assert isinstance(machine.then(first, moment(now)).action, action)


@pytest.mark.parametrize(
    ("kind", "error"),
    [(Fail.REFUSED, Refused), (Fail.THROTTLED, Unreachable)],
    ids=["refused", "throttled"],
)
def test_a_second_put_that_is_refused_says_nothing_of_the_first(
    kind: Fail, error: type[DevhookError]
) -> None:
    """The look between them may have been at an old copy: the bound decides."""
    again = after(rejected(), shown(), None, at=moment(1.1))
    ended = after(again, Failed(kind, "not now"), at=moment(1.2))
    assert ended.action == NotTaken(error, "not now", None)
    assert ended.record is not None
    assert ended.record.stage is Stage.PUT_SENT


def test_a_colleague_who_was_quicker_is_not_overwritten() -> None:
    """Their method is new between the two PUTs."""
    taking = after(rejected(), shown(method="GET"), at=moment(1.1))
    assert isinstance(taking.action, NotTaken)
    assert taking.action.error is ChangedElsewhere


def test_a_second_put_that_became_stale_is_looked_at_again() -> None:
    """The first one stays on record: it may have been applied."""
    again = after(rejected(), shown(), at=moment(1.1))
    late = after(again, None, Stale(), at=moment(1.2 + FRESH))
    assert late.action == GET
    assert late.record is not None
    assert late.record.stage is Stage.PUT_SENT
    assert late.record.mine == MINE


# --- another account -----------------------------------------------------------------


def test_a_second_look_at_another_account_ends_it() -> None:
    """However alike the two are, nothing is sent."""
    taking = Taking(who=WHO, uri=URI, before=account())
    taking = after(taking, shown(), None, at=moment())
    other = core.Shown(replace(account(), id="c0ffee00"))
    ended = after(taking, other, None, at=moment())
    assert isinstance(ended.action, NotTaken)
    assert ended.action.error is ChangedElsewhere
