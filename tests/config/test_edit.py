"""What devhook writes into the user's file."""

import pytest

from devhook import config
from devhook.config import edit
from tests.config.conftest import Laptop


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
