"""Flags, environment, project file and user file -> one frozen `Settings`.

The first of these that says something wins. A project file comes with somebody's
repository, so it may name what is harmless and nothing that moves a credential.
Prints nothing: what the user should hear is in `Settings.warnings`.
"""

from devhook.config.files import (
    Paths,
    Profile,
    UserFile,
    locate,
    read_project_file,
    read_user_file,
)
from devhook.config.settings import (
    DEFAULT_API_URL,
    Flags,
    Settings,
    api_url_given,
    load,
    network,
    profile_in_use,
)
from devhook.config.values import near, profile_name, seconds

__all__ = [
    "DEFAULT_API_URL",
    "Flags",
    "Paths",
    "Profile",
    "Settings",
    "UserFile",
    "api_url_given",
    "load",
    "locate",
    "near",
    "network",
    "profile_in_use",
    "profile_name",
    "read_project_file",
    "read_user_file",
    "seconds",
]
