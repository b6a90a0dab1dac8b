"""What holds for every test."""

import os

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
