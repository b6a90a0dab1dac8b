"""Where a credential is found, and where it may go."""

import io

import pytest

from devhook.config import Flags
from devhook.errors import ConfigError, DevhookError
from tests.config.conftest import Laptop

SOURCES = {
    "DEVHOOK_ACCESS_KEY": "access_key",
    "DEVHOOK_TOKEN": "token",
    "VN_ACCESS_KEY": "access_key",
    "VOIPBIN_API_KEY": "access_key",
    "VOIPBIN_TOKEN": "token",
}

OFFICIAL = """
current_profile: work
profiles:
  work: {access_key: vb_official, api_url: "https://official.example/v1.0"}
"""


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_environment_credentials_go_in_the_order_of_the_design(
    laptop: Laptop, first: int
) -> None:
    """And beat the profile's."""
    laptop.user_file('profiles.default.token = "profile"')
    environ = {name: name.lower() for name in list(SOURCES)[first:]}
    credential = laptop.load(**environ).account_credential()
    name = list(SOURCES)[first]
    assert (credential.source, credential.value) == (name, name.lower())
    assert credential.kind == SOURCES[name]


def test_a_flag_beats_every_other_credential(laptop: Laptop) -> None:
    """The banner can say which it was."""
    credential = laptop.load(Flags(token="a.b.c"), DEVHOOK_ACCESS_KEY="x").credential
    assert credential is not None
    assert (credential.kind, credential.source) == ("token", "--token")


def test_both_kinds_of_flag_at_once_are_an_error(laptop: Laptop) -> None:
    """The API would take one of them silently."""
    with pytest.raises(DevhookError, match="both given") as caught:
        laptop.load(Flags(token="a", access_key="b"))
    assert caught.value.exit_code == 2


def test_a_profile_gives_its_credential(laptop: Laptop) -> None:
    """`auth = "query"` goes with the API, whatever the credential came from."""
    laptop.user_file('[profiles.s]\naccess_key = "vb_1"\nauth = "query"\n')
    credential = laptop.load(Flags(profile="s")).account_credential()
    assert (credential.value, credential.source) == ("vb_1", "profile s")
    assert credential.in_query
    assert laptop.load(Flags(profile="s", token="t")).account_credential().in_query


def test_without_a_credential_the_next_step_is_named(laptop: Laptop) -> None:
    """Exit 2, before any request."""
    with pytest.raises(ConfigError, match="no credential") as caught:
        laptop.load().account_credential()
    assert "devhook profile add default" in (caught.value.hint or "")


def test_the_official_cli_s_key_is_the_last_resort(laptop: Laptop) -> None:
    """With the API that stands beside it."""
    laptop.official_file(OFFICIAL)
    settings = laptop.load()
    assert settings.account_credential().value == "vb_official"
    assert settings.account_credential().source == f"{laptop.home}/.vn/config.yaml"
    assert settings.api_url == "https://official.example/v1.0"


def test_the_official_cli_s_key_goes_to_no_other_api(laptop: Laptop) -> None:
    """A sandbox, say, must not be shown the key of a real account."""
    laptop.official_file(OFFICIAL)
    assert laptop.load(Flags(api_url="http://127.0.0.1:1/v1.0")).credential is None


@pytest.mark.parametrize(
    "text", ["", "[", "a: b", "profiles: 1", "profiles: {default: {access_key: 1}}"]
)
def test_an_official_file_of_another_shape_is_passed_over(
    laptop: Laptop, text: str
) -> None:
    """It is another program's."""
    laptop.official_file(text)
    assert laptop.load().credential is None


def test_a_credential_flag_reads_a_file(laptop: Laptop) -> None:
    """`@FILE`, blanks at its ends dropped, no warning."""
    file = laptop.home / "key.txt"
    file.write_text("vb_in_file\n")
    settings = laptop.load(Flags(access_key=f"@{file}"))
    assert settings.account_credential().value == "vb_in_file"
    assert settings.warnings == ()


def test_a_credential_flag_reads_standard_input(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-`, one line of it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("vb_piped\nmore\n"))
    assert laptop.load(Flags(access_key="-")).account_credential().value == "vb_piped"


def test_a_typed_out_credential_is_warned_of(laptop: Laptop) -> None:
    """It is visible in the process list; the warning does not repeat it."""
    (warning,) = laptop.load(Flags(access_key="vb_canary")).warnings
    assert "process list" in warning
    assert "canary" not in warning


@pytest.mark.parametrize(
    "value", ["@/does/not/exist", "vb_1; token=x", "a\nb", "", 'q"uote', "vb_\u00e9"]
)
def test_an_unusable_credential_is_refused_unquoted(laptop: Laptop, value: str) -> None:
    """Nothing that could be smuggled into a header passes."""
    with pytest.raises(ConfigError) as caught:
        laptop.load(Flags(access_key=value))
    assert caught.value.message.startswith("--access-key")
