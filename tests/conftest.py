"""What holds for every test."""

import os
import sys

from hypothesis import settings

# A busy machine is no failure: pytest-timeout ends what hangs. Fifty examples each keep
# the whole suite below four minutes on two cores.
settings.register_profile("devhook", deadline=None, max_examples=50)
settings.load_profile("devhook")

# What the developer's own shell says to devhook must not reach a test.
_OURS = ("DEVHOOK_", "VOIPBIN_", "VN_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
for name in [*os.environ]:
    if name.startswith(_OURS) or name.lower() in _PROXIES:
        del os.environ[name]

# Hundreds of processes are started: none of them compiles what another one has, nor
# reads the system's authorities (0.15 s), who signed no server of these tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["SSL_CERT_FILE"] = os.devnull
