"""What holds for every test."""

from __future__ import annotations

import signal

from hypothesis import settings

# Examples may take as long as a busy machine needs; a failure prints how to repeat it.
settings.register_profile("quick", deadline=None, print_blob=True, max_examples=40)
settings.register_profile("thorough", deadline=None, print_blob=True)
settings.load_profile("quick")  # `nox` chooses the other


def pytest_configure() -> None:
    """Undo an inherited SIG_IGN: the processes that tests interrupt would wait for ever.

    Shells ignore Ctrl-C for what they start in the background, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
