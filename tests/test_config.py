"""Flags, environment and files: which of them wins, and which may say what."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from devhook import config
from devhook.config import Flags, Settings, edit
from devhook.errors import ConfigError, DevhookError

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class Laptop:
    """A home, a project folder in it, and an environment."""

    def __init__(self, root: Path) -> None:
        self.home = root
        self.project = root / "work" / "app"
        self.project.mkdir(parents=True)
        self.environ = {"DEVHOOK_HOME": str(root / "dh"), "HOME": str(root)}
        self.config = root / "dh" / "config.toml"

    def user_file(self, text: str) -> None:
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(text)
        self.config.chmod(0o600)

    def project_file(self, text: str, folder: Path | None = None) -> None:
        ((folder or self.project) / ".devhook.toml").write_text(text)

    def official_file(self, text: str) -> None:
        (self.home / ".vn").mkdir()
        (self.home / ".vn" / "config.yaml").write_text(text)

    def load(self, flags: Flags | None = None, /, **environ: str) -> Settings:
        return config.load(
            flags or Flags(), {**self.environ, **environ}, cwd=self.project
        )


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


def test_nothing_set_gives_the_defaults(laptop: Laptop) -> None:
    """The public API, no credential, everything under DEVHOOK_HOME."""
    settings = laptop.load()
    assert settings.api_url == "https://api.voipbin.net/v1.0"
    assert settings.profile == "default"
    assert settings.credential is None
    assert settings.db == laptop.home / "dh" / "data" / "default.db"
    assert settings.paths.state == laptop.home / "dh" / "state"
    assert (settings.linger, settings.in_flight_bound) == (5.0, 60.0)


def test_without_devhook_home_the_platform_names_the_folders(laptop: Laptop) -> None:
    """platformdirs knows them, XDG variables included."""
    paths = config.locate({})
    assert paths.config.name == "config.toml"
    assert "devhook" in paths.config.parts
    assert "devhook" in paths.data.parts
    assert "devhook" in paths.state.parts


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


def test_an_unknown_profile_is_refused_with_near_names(laptop: Laptop) -> None:
    """A typing error must not work on another account."""
    laptop.user_file("[profiles.staging]")
    with pytest.raises(ConfigError, match="has no profile stagin") as caught:
        laptop.load(Flags(profile="stagin"))
    assert caught.value.hint == "did you mean staging; or devhook profile add stagin"


@pytest.mark.parametrize("name", ["../evil", "", ".x", "a/b", "a" * 65, "a b"])
def test_a_profile_name_cannot_leave_its_folder(name: str) -> None:
    """It names a file."""
    with pytest.raises(ConfigError, match="cannot name a profile"):
        config.profile_name(name)


SOURCES = {
    "DEVHOOK_ACCESS_KEY": "access_key",
    "DEVHOOK_TOKEN": "token",
    "VN_ACCESS_KEY": "access_key",
    "VOIPBIN_API_KEY": "access_key",
    "VOIPBIN_TOKEN": "token",
}


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


OFFICIAL = """
current_profile: work
profiles:
  work: {access_key: vb_official, api_url: "https://official.example/v1.0"}
"""


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


def test_a_readable_file_of_credentials_is_warned_of(laptop: Laptop) -> None:
    """With the command that mends it."""
    laptop.user_file('profiles.default.access_key = "canary"')
    assert laptop.load().warnings == ()
    laptop.config.chmod(0o644)
    (warning,) = laptop.load().warnings
    assert warning.endswith("chmod 600 it")


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


def test_a_saved_profile_is_private_and_keeps_comments(laptop: Laptop) -> None:
    """The file belongs to its user."""
    laptop.user_file('# mine\nprofile = "a"\n\n[profiles.a]  # first\ntarget = "1"\n')
    laptop.config.chmod(0o644)
    assert not edit.save_profile(laptop.config, "b", {"token": "t", "auth": None})
    text = laptop.config.read_text()
    assert text.startswith('# mine\nprofile = "a"\n\n[profiles.a]  # first\n')
    assert config.read_user_file(laptop.config).profiles["b"].token == "t"
    assert laptop.config.stat().st_mode & 0o777 == 0o600


def test_the_first_profile_is_the_one_in_use(laptop: Laptop) -> None:
    """Its folder is made private too."""
    assert edit.save_profile(laptop.config, "only", {"token": "t"})
    assert config.read_user_file(laptop.config).profile == "only"
    assert laptop.config.parent.stat().st_mode & 0o777 == 0o700


def test_a_new_credential_replaces_the_old_and_nothing_else(laptop: Laptop) -> None:
    """A login that has ended is renewed by adding the profile again."""
    laptop.user_file('[profiles.a]\ntarget = "1"\ntoken = "old"\n')
    edit.save_profile(laptop.config, "a", {"access_key": "new", "token": None})
    profile = config.read_user_file(laptop.config).profiles["a"]
    assert (profile.target, profile.token, profile.access_key) == ("1", None, "new")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[profiles.a]\n[profiles.b]\n", id="tables"),
        pytest.param("profiles = {a = {}, b = {}}\n", id="inline"),
        pytest.param(
            "# top\n[profiles]\na.target = '1'\nb.target = '2'\n", id="dotted"
        ),
    ],
)
def test_profiles_are_used_and_removed_however_they_are_written(
    laptop: Laptop, text: str
) -> None:
    """TOML has many ways to write a table."""
    laptop.user_file(text)
    edit.use_profile(laptop.config, "b")
    assert config.read_user_file(laptop.config).profile == "b"
    edit.save_profile(laptop.config, "c", {"token": "t"})
    assert edit.remove_profile(laptop.config, "b")
    user = config.read_user_file(laptop.config)
    assert (user.profile, sorted(user.profiles)) == ("default", ["a", "c"])


def test_a_linked_file_stays_a_link(laptop: Laptop) -> None:
    """Dotfiles are often kept elsewhere."""
    elsewhere = laptop.home / "dotfiles.toml"
    elsewhere.write_text("")
    laptop.config.parent.mkdir()
    laptop.config.symlink_to(elsewhere)
    edit.save_profile(laptop.config, "a", {"token": "t"})
    assert laptop.config.is_symlink()
    assert "token" in elsewhere.read_text()
