"""What holds for every test."""

from hypothesis import settings

# A busy machine is no failure: pytest-timeout ends what hangs.
settings.register_profile("devhook", deadline=None)
settings.load_profile("devhook")
