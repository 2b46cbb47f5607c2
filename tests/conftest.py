"""What holds for every test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from zephyrus_exec import Principal, Service
from zephyrus_exec.interfaces.transport import Transport
from zephyrus_exec.testing.frame_checker import FrameChecker
from zephyrus_exec.testing.streams import StreamViolation

# Examples may take as long as a busy machine needs; a failure prints how to repeat it. What decides
# whether a change lands draws the same examples every time; `nox -s search` looks for new ones.
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")
settings.register_profile(
    "quick", deadline=None, print_blob=True, max_examples=40, derandomize=IN_CI
)
settings.register_profile("thorough", deadline=None, print_blob=True, derandomize=IN_CI)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=400)
settings.load_profile("quick")  # `nox` chooses the other


def pytest_configure() -> None:
    """Undo an inherited SIG_IGN: the processes that tests interrupt would wait for ever.

    Shells ignore Ctrl-C for what they start in the background, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def every_frame_is_what_the_documents_say(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check every frame of every server in this process, both ways.

    The one place where a type of ours is patched: a server has no need of such a hook, and tests
    make servers in many ways, of which none may be forgotten.
    """
    violations: list[StreamViolation] = []
    run = Service.run

    async def checked(
        service: Service, transport: Transport, *, principal: Principal | None = None
    ) -> None:
        watched = FrameChecker(transport, side="server", on_violation=violations.append)
        await run(service, watched, principal=principal)

    monkeypatch.setattr(Service, "run", checked)
    yield
    assert not violations, violations[0]
