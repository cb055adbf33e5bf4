"""The runner: performs a workflow's effects with the adapters, journals them, and lets a person interrupt."""

from .session import Session, open_session

__all__ = ["Session", "open_session"]
