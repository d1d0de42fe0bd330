"""The one error of the demo."""

from __future__ import annotations

from samespace.errors import SamespaceError


class DemoError(SamespaceError):
    """The demo cannot go on; its text is the whole story for the person who started it."""
