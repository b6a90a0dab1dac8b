"""What a takeover is to restore one day, and whether that may be somebody's tunnel."""

from dataclasses import replace

import pytest

from devhook.core.marker import with_marker
from devhook.core.model import Setting, Stage, Takeover
from devhook.core.origin import Known, Origin, origin_of, tunnel_of
from devhook.errors import TakeoverError
from tests.core.takeovers import FOREIGN, MINE, ROOT, URI, account, ours, record

ENDED = record(Stage.RESTORED)
UNMARKED = replace(ENDED, mine=URI)
BEFORE = Setting(uri="https://before.example", method="GET")


def test_most_accounts_say_it_themselves() -> None:
    """Whatever this machine once did there."""
    assert origin_of(account(), [ENDED]) == Origin(ROOT, Known.ACCOUNT)


def test_a_devhook_uri_of_elsewhere_says_it_by_its_marker() -> None:
    """Which anybody may have written: no record of ours confirms it."""
    found = origin_of(ours(), [])
    assert found == Origin(ROOT, Known.MARKER, is_confirmed=False)
    assert found.is_left


def test_a_devhook_uri_of_ours_is_confirmed_by_its_record() -> None:
    """Also by one that has ended: its PUT may have been applied after the bound."""
    assert origin_of(ours(), [ENDED]) == Origin(ROOT, Known.MARKER)


def test_a_record_that_says_something_else_confirms_nothing() -> None:
    """The marker may be forged, or the record of another file."""
    other = replace(ENDED, root=BEFORE)
    assert not origin_of(ours(), [other]).is_confirmed


@pytest.mark.parametrize("kept", [ENDED, UNMARKED], ids=["marked", "unmarked"])
def test_a_devhook_uri_without_its_marker_is_known_by_its_record(
    kept: Takeover,
) -> None:
    """Never is it taken for an original."""
    assert origin_of(account(URI, "POST"), [kept]) == Origin(ROOT, Known.RECORD)


def test_a_marker_that_names_one_of_our_own_is_followed() -> None:
    """Another machine, without our records, took it for an original."""
    theirs = with_marker("https://elsewhere.example/x", Setting(uri=URI, method="POST"))
    assert origin_of(account(theirs), [UNMARKED]) == Origin(ROOT, Known.RECORD)


def test_the_newest_record_of_a_uri_counts() -> None:
    """They come newest first."""
    records = [replace(UNMARKED, root=BEFORE), UNMARKED]
    assert origin_of(account(URI), records).root == BEFORE


def test_a_marker_that_cannot_be_read_is_no_original() -> None:
    """A later version's; nobody guesses what it says."""
    with pytest.raises(TakeoverError, match="cannot read"):
        origin_of(account(f"{URI}#devhook=9.abc"), [])


@pytest.mark.parametrize(
    ("uri", "service"),
    [
        ("https://3f2a.ngrok-free.app/hook", "ngrok"),
        ("https://acme.eu.ngrok.io", "ngrok"),
        ("https://acme.ngrok.app:443/x?y#z", "ngrok"),
        ("https://acme.ngrok.dev", "ngrok"),
        ("https://calm-red-fox.TryCloudflare.com/x", "cloudflared"),
        ("https://acme.loca.lt", "localtunnel"),
        ("https://acme.serveo.net", "serveo"),
        ("https://localhost.run", "localhost.run"),
        ("https://0a1b.lhr.life/", "localhost.run"),
        ("https://x-3000.euw.devtunnels.ms/", "dev tunnels"),
        ("https://user:pw@rand.a.free.pinggy.link./", "Pinggy"),
        ("https://laptop.tail1234.ts.net/", "Tailscale Funnel"),
        ("http://bore.pub:41234", "bore"),
        (MINE, None),
        (FOREIGN, None),
        ("https://api.acme.example/voip?via=ngrok.io", None),
        ("https://ngrok.io.acme.example", None),
        ("https://notngrok.io", None),
        ("http://[broken", None),
        ("no uri at all", None),
        ("", None),
    ],
)
def test_a_tunnel_is_known_by_its_host_alone(uri: str, service: str | None) -> None:
    """Not by its path, its query, or a host that merely sounds like it."""
    assert tunnel_of(uri) == service


def test_a_root_at_a_tunnel_is_still_the_root() -> None:
    """Whose it is nobody can know: it is restored as it is."""
    root = Setting(uri="https://3f2a.ngrok-free.app/hook", method="POST")
    marked = account(with_marker(URI, root), "POST")
    assert origin_of(marked, []).root == root
