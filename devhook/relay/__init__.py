"""The self-hosted relay: the public side of the home-grown tunnel."""
