"""The two files: where they are found, and what they may say."""

import pytest

from devhook import config
from devhook.config import Flags
from devhook.errors import ConfigError
from tests.config.conftest import Laptop


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("a =\n", ", line 1: Invalid value", "quotes", id="malformed"),
        pytest.param('a = "x\n', ", line 1: Illegal character", "quotes", id="open"),
        pytest.param("[a", ", at its end: Expected", "quotes", id="cut"),
        pytest.param("colour = 1", " has no setting colour", "there are", id="unknown"),
        pytest.param(
            "[profiles.x]\nacess_key = 'canary'",
            ": [profiles.x] has no setting acess_key",
            "did you mean access_key",
            id="near",
        ),
        pytest.param(
            "profiles.x.insecure = 'yes'",
            ": profiles.x.insecure is not true or false",
            "make it true or false",
            id="kind",
        ),
        pytest.param(
            "profiles.x.events = 'call_*'",
            ": profiles.x.events is not a list of texts",
            "make it a list",
            id="list",
        ),
        pytest.param(
            "profiles.x.linger = 'soon'",
            ": profiles.x.linger: 'soon' is no duration",
            "500ms",
            id="duration",
        ),
        pytest.param(
            "profiles.x.auth = 'cookie'",
            ': profiles.x.auth is not "header" or "query"',
            "make it",
            id="auth",
        ),
        pytest.param(
            "profile = 1", ": profile is a name", "profiles.staging", id="name"
        ),
        pytest.param(
            "profiles.x = 1", ": profiles.x is not a table", "table", id="table"
        ),
    ],
)
def test_what_is_wrong_in_the_user_file_is_named(
    laptop: Laptop, text: str, message: str, hint: str
) -> None:
    """The file, the line or the key, and how to mend it."""
    laptop.user_file(text)
    with pytest.raises(ConfigError) as caught:
        laptop.load()
    assert caught.value.message.startswith(f"{laptop.config}{message}")
    assert hint in (caught.value.hint or "")
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"


def test_a_file_that_is_no_text_is_named(laptop: Laptop) -> None:
    """Rather than a traceback."""
    laptop.user_file("")
    laptop.config.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        laptop.load()


def test_a_project_file_is_found_by_walking_up(laptop: Laptop) -> None:
    """The nearest one counts, and it beats the user file."""
    laptop.user_file('profiles.default.target = "1"\nprofiles.default.tunnel = "ssh"')
    laptop.project_file('target = "2"', laptop.home)
    assert laptop.load().target == "2"
    laptop.project_file('target = "3"\nroutes = ["call_*=4"]\nevents = ["call_*"]')
    settings = laptop.load()
    assert settings.target == "3"
    assert settings.routes == ("call_*=4",)
    assert settings.events == ("call_*",)
    assert settings.tunnel == "ssh"


@pytest.mark.parametrize(
    "line",
    [
        'api_url = "https://evil.example/v1.0"',
        'relay = "https://evil.example"',
        'relay_token = "x"',
        'access_key = "x"',
        'token = "x"',
        'auth = "query"',
        'ca_file = "evil.pem"',
        "insecure = true",
        "yes = true",
        "supersede = true",
        "mirror = false",
        "linger = 0",
        "in_flight_bound = 0",
        "[profiles.default]",
    ],
)
def test_a_project_file_cannot_move_a_credential(laptop: Laptop, line: str) -> None:
    """It comes with somebody's repository: the file and the key are named."""
    laptop.project_file(line)
    key = line.strip("[").split(" ")[0].split(".")[0]
    with pytest.raises(ConfigError) as caught:
        laptop.load()
    message = caught.value.message
    assert (
        message == f"{laptop.project}/.devhook.toml: a project file must not set {key}"
    )
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["../evil", "", ".x", "a/b", "a" * 65, "a b"])
def test_a_profile_name_cannot_leave_its_folder(name: str) -> None:
    """It names a file."""
    with pytest.raises(ConfigError, match="cannot name a profile"):
        config.profile_name(name)


def test_an_unknown_profile_is_refused_with_near_names(laptop: Laptop) -> None:
    """A typing error must not work on another account."""
    laptop.user_file("[profiles.staging]")
    with pytest.raises(ConfigError, match="has no profile stagin") as caught:
        laptop.load(Flags(profile="stagin"))
    assert caught.value.hint == "did you mean staging; or devhook profile add stagin"


def test_without_devhook_home_the_platform_names_the_folders(laptop: Laptop) -> None:
    """platformdirs knows them, XDG variables included."""
    paths = config.locate({})
    assert paths.config.name == "config.toml"
    assert "devhook" in paths.config.parts
    assert "devhook" in paths.data.parts
    assert "devhook" in paths.state.parts


def test_a_readable_file_of_credentials_is_warned_of(laptop: Laptop) -> None:
    """With the command that mends it."""
    laptop.user_file('profiles.default.access_key = "canary"')
    assert laptop.load().warnings == ()
    laptop.config.chmod(0o644)
    (warning,) = laptop.load().warnings
    assert warning.endswith("chmod 600 it")
