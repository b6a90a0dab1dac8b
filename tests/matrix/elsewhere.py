"""The cases that cannot be brought about on any machine, and why."""

from typing import Final

ELSEWHERE: Final[tuple[tuple[int, str, str, str], ...]] = ()
"""Number, what, expected, and the reason in place of what was seen."""
