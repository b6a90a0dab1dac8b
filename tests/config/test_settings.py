"""Which layer wins, and what the whole comes to."""

from collections.abc import Mapping

import pytest

from devhook import config
from devhook.config import Flags
from devhook.errors import ConfigError
from tests.config.conftest import Laptop

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def test_nothing_set_gives_the_defaults(laptop: Laptop) -> None:
    """The public API, no credential, everything under DEVHOOK_HOME."""
    settings = laptop.load()
    assert settings.api_url == "https://api.voipbin.net/v1.0"
    assert settings.profile == "default"
    assert settings.credential is None
    assert settings.db == laptop.home / "dh" / "data" / "default.db"
    assert settings.paths.state == laptop.home / "dh" / "state"
    assert (settings.linger, settings.in_flight_bound) == (5.0, 60.0)


def test_a_flag_beats_the_environment_and_that_the_profile(laptop: Laptop) -> None:
    """The order of the design."""
    laptop.user_file('profiles.default.api_url = "https://profile.example/v1.0"')
    assert laptop.load().api_url == "https://profile.example/v1.0"
    environ = {"DEVHOOK_API_URL": "https://environment.example/v1.0"}
    assert laptop.load(**environ).api_url == "https://environment.example/v1.0"
    flags = Flags(api_url="https://flag.example/v1.0/")
    assert laptop.load(flags, **environ).api_url == "https://flag.example/v1.0"


@pytest.mark.parametrize(
    ("flag", "environ", "project", "expected"),
    [
        pytest.param("a", "b", 'profile = "c"', "a", id="flag"),
        pytest.param(None, "b", 'profile = "c"', "b", id="environment"),
        pytest.param(None, "", 'profile = "c"', "c", id="project"),
        pytest.param(None, "", "", "d", id="user file"),
    ],
)
def test_the_profile_is_named_by_the_first_that_speaks(
    laptop: Laptop, flag: str | None, environ: str, project: str, expected: str
) -> None:
    """Flag, environment, project file, user file."""
    laptop.user_file('profile = "d"\n[profiles]\na = {}\nb = {}\nc = {}\nd = {}\n')
    laptop.project_file(project)
    settings = laptop.load(Flags(profile=flag), DEVHOOK_PROFILE=environ)
    assert settings.profile == expected


@pytest.mark.parametrize(
    "url",
    [
        "api.voipbin.net",
        "ftp://api.example",
        "https://",
        "https://[",
        "https://a.example:0/v1.0",
        "https://a.example:x/v1.0",
        "https://u:canary@a.example/v1.0",
        "https://a.example/v1.0?token=canary",
        "https://a.example/ v1.0",
    ],
)
def test_an_api_url_is_a_plain_base(laptop: Laptop, url: str) -> None:
    """What else it holds might be a credential, so it is not repeated."""
    with pytest.raises(ConfigError, match="--api-url") as caught:
        laptop.load(Flags(api_url=url))
    assert "canary" not in caught.value.message


def test_plain_http_to_another_machine_is_warned_of(laptop: Laptop) -> None:
    """To this one it is not."""
    key = {"DEVHOOK_ACCESS_KEY": "k"}
    far = laptop.load(Flags(api_url="http://api.example/v1.0"), **key)
    near = laptop.load(Flags(api_url="http://127.0.0.1:1/v1.0"), **key)
    assert "plain http" in far.warnings[0]
    assert near.warnings == ()


def test_a_ca_file_of_a_profile_lies_beside_its_file(laptop: Laptop) -> None:
    """A flag's lies where the command is typed."""
    laptop.user_file('profiles.default.ca_file = "ca.pem"')
    (laptop.config.parent / "ca.pem").write_text(CERTIFICATE)
    assert laptop.load().network.ca_pem == CERTIFICATE


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), ("hello", "holds no certificate")]
)
def test_an_unusable_ca_file_is_named(
    laptop: Laptop, content: str | None, message: str
) -> None:
    """Before any connection is tried."""
    file = laptop.home / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        laptop.load(Flags(ca_file=str(file)))


@pytest.mark.parametrize(
    ("flag", "environ", "insecure"),
    [(None, {}, True), (None, {"DEVHOOK_INSECURE": "0"}, False), (True, {}, True)],
)
def test_insecure_follows_the_order_too(
    laptop: Laptop, flag: bool | None, environ: Mapping[str, str], insecure: bool
) -> None:
    """A variable can take back what a profile sets."""
    laptop.user_file("profiles.default.insecure = true")
    assert laptop.load(Flags(insecure=flag), **environ).network.insecure is insecure


def test_a_variable_that_is_neither_true_nor_false_is_named(laptop: Laptop) -> None:
    """Guessing would be wrong for `insecure`."""
    with pytest.raises(ConfigError, match="DEVHOOK_INSECURE: 'maybe'"):
        laptop.load(DEVHOOK_INSECURE="maybe")


def test_the_network_knows_the_proxy_variables_alone(laptop: Laptop) -> None:
    """It is handed to other processes, and no other variable is theirs."""
    settings = laptop.load(https_proxy="http://p:1", NO_PROXY="*", VN_ACCESS_KEY="x")
    assert settings.network.environ == {"https_proxy": "http://p:1", "NO_PROXY": "*"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5s", 5), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("3d", 259200), ("7", 7)],
)
def test_durations_are_seconds(text: str, expected: float) -> None:
    """With or without a unit."""
    assert config.seconds(text, "linger") == expected


def test_durations_come_from_environment_and_profile(laptop: Laptop) -> None:
    """In this order."""
    laptop.user_file('[profiles.default]\nlinger = "1s"\nin_flight_bound = 30')
    settings = laptop.load(DEVHOOK_LINGER="200ms")
    assert (settings.linger, settings.in_flight_bound) == (0.2, 30.0)


def test_no_repr_shows_a_secret(laptop: Laptop) -> None:
    """Of flags, settings or files."""
    laptop.user_file(
        '[profiles.default]\ntoken = "canary"\nrelay_token = "canary"\nrelay = "x"'
    )
    flags = Flags(access_key="canary")
    shown = repr(flags) + repr(laptop.load(flags)) + repr(laptop.load())
    assert laptop.load().relay_token == "canary"
    assert "canary" not in shown + repr(config.read_user_file(laptop.config))
