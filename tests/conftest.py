"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Undo an inherited SIG_IGN: the processes that tests interrupt would wait for ever.

    Shells ignore Ctrl-C for what they start in the background, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
