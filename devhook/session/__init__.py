"""One run of `up`, from the store to the street: owns every task and every ending."""

from devhook.session.opening import open_session
from devhook.session.options import Options
from devhook.session.session import Ready, Session
from devhook.session.stop import Stop, Why

__all__ = ["Options", "Ready", "Session", "Stop", "Why", "open_session"]
