"""`python -m zephyrus_exec.testing.conformance`: the suites against a server at a URL."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, TypeAlias
from unittest import SkipTest

from attrs import frozen

from ...conversion import dumps
from ...errors import ZephyrusError
from ...interfaces.transport import Transport
from ..frames import problem_finder
from .peer import connected
from .suite import ServerConformance
from .v1 import V1ServerConformance
from .v2 import V2ServerConformance

_Test: TypeAlias = Callable[[], Awaitable[None]]

_V1: Final = (V1ServerConformance,)
_BOTH: Final = (V1ServerConformance, V2ServerConformance)


@frozen
class Result:
    """What came of one test."""

    suite: str
    """`v1` or `v2`."""
    name: str
    """The sentence that is proved."""
    status: Literal["ok", "failed", "skipped"]
    reason: str
    """Why it failed, or was skipped."""
    seconds: float

    def line(self) -> str:
        """Return it for people."""
        reason = f"\n         {self.reason}" if self.reason else ""
        return f"{self.status:<8} {self.suite}  {self.name} ({self.seconds:.2f} s){reason}"

    def json(self) -> str:
        """Return it for programs."""
        return dumps(
            {
                "suite": self.suite,
                "name": self.name,
                "status": self.status,
                "reason": self.reason,
                "seconds": round(self.seconds, 3),
            }
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites and return the exit code: 0 nothing failed, 1 something did, 2 no server."""
    options = build_parser().parse_args(arguments)
    if not __debug__:
        print("python -O leaves out what is to be checked; run without it", file=sys.stderr)
        return 2
    return asyncio.run(_run(options))


def build_parser() -> argparse.ArgumentParser:
    """Return what reads the command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m zephyrus_exec.testing.conformance",
        description="Checks whether a server does what the protocol says.",
    )
    parser.add_argument("url", help="ws://HOST:PORT or wss://…")
    parser.add_argument(
        "--agent",
        required=True,
        metavar="ID",
        help="an agent that ends within seconds; it is executed some hundred times",
    )
    parser.add_argument(
        "--agent-slow", metavar="ID", help="one that takes some seconds, and may be cancelled"
    )
    parser.add_argument(
        "--token-env", metavar="VAR", help="environment variable that holds a bearer token"
    )
    parser.add_argument("--v1", action="store_true", help="v1 only; otherwise both")
    parser.add_argument(
        "--thorough", action="store_true", help="wait for the server's time-outs, too"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


async def _run(options: argparse.Namespace) -> int:
    token = _token(options.token_env)
    try:
        problem_finder({})  # so that what is missing is told once
        async with connected(options.url, headers=_headers(token)):
            pass
    except ZephyrusError as error:
        print(f"{options.url}: {error.message}", file=sys.stderr)
        return 2
    results: list[Result] = []
    for suite, name, test in _tests(options, token):
        results.append(await _result(suite, name, test))
        print(results[-1].json() if options.json else results[-1].line(), flush=True)
    counts = dict.fromkeys(("ok", "failed", "skipped"), 0)
    for result in results:
        counts[result.status] += 1
    if not options.json:
        print(", ".join(f"{count} {status}" for status, count in counts.items()))
    return 1 if counts["failed"] else 0


def _token(variable: str | None) -> str | None:
    if variable is not None and variable not in os.environ:
        sys.exit(f"the environment has no {variable}; set it to a token")
    return None if variable is None else os.environ[variable]


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _tests(options: argparse.Namespace, token: str | None) -> Iterator[tuple[str, str, _Test]]:
    for kind in _V1 if options.v1 else _BOTH:
        suite = _suite(kind, options, token)
        for name in (name for each in reversed(kind.__mro__) for name in vars(each)):
            if name.startswith("test_"):
                sentence = name.removeprefix("test_").replace("_", " ")
                yield kind.__name__[:2].lower(), sentence, getattr(suite, name)


def _suite(kind: Any, options: argparse.Namespace, secret: str | None) -> ServerConformance:
    class There(kind):  # type: ignore[misc]
        agent_id = options.agent
        slow_agent_id = options.agent_slow
        thorough = options.thorough
        token = secret

        def connect(
            self, subprotocols: Sequence[str] = ()
        ) -> AbstractAsyncContextManager[Transport]:
            return connected(options.url, subprotocols, headers=_headers(secret))

        def connect_unknown(
            self, subprotocols: Sequence[str] = ()
        ) -> AbstractAsyncContextManager[Transport]:
            if secret is None:
                raise SkipTest("no token was named")
            return connected(options.url, subprotocols)

    suite: ServerConformance = There()
    return suite


async def _result(suite: str, name: str, test: _Test) -> Result:
    began = time.monotonic()
    status: Literal["ok", "failed", "skipped"] = "failed"
    reason = ""
    try:
        await test()
        status = "ok"
    except SkipTest as skipped:
        status, reason = "skipped", str(skipped)
    except TimeoutError:
        reason = "something that must come does not come in time"
    except (AssertionError, ZephyrusError) as error:
        reason = str(error) or _asserted(error)
    return Result(suite, name, status, reason, time.monotonic() - began)


def _asserted(error: BaseException) -> str:
    """Return the line that did not hold, where it says nothing itself."""
    return traceback.extract_tb(error.__traceback__)[-1].line or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
