"""`serve`: until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import __version__
from ..config import Settings, is_url, shown
from ..engine import ExecutionEngine
from ..engine.accounts import list_lanes
from ..engine.records import LaneStatus
from ..errors import RepositoryError
from ..interfaces.repositories import Repository
from ..interfaces.store import ExecutionStore
from ..protocol.wording import Language
from ..service import Service, serve
from .access import make_authenticator, make_tls, print_access
from .composition import Parts, make_engine, open_parts, open_store
from .environment import read_settings, warn_of_misfits
from .garbage import looked_for_seldom
from .logs import start_logging
from .output import note
from .sources import check_agents

_log = logging.getLogger(__name__)

_AGENTS_SHOWN = 10


async def serve_command(options: argparse.Namespace) -> int:
    """Serve until the process is asked to stop, then drain."""
    settings = read_settings(options)
    start_logging(settings)
    _log.info("the event loop is that of %s", type(asyncio.get_running_loop()).__module__)
    warn_of_misfits(options)
    check_agents(settings)
    authenticator, made = make_authenticator(
        settings.access, may_show=settings.log_format == "text"
    )
    # Pages opened from disk are the demo's own.
    origins = (*settings.access.origins, *(["null"] if options.demo else []))
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        if options.demo:
            note("starting the embedded chain …")
        async with (
            open_store(settings, demo=options.demo) as store,
            open_parts(settings, demo=options.demo) as parts,
            serve(
                make_engine(parts, store, settings),
                host=settings.host,
                port=settings.port,
                language=_language(settings),
                drain_timeout=settings.drain_timeout,
                authenticator=authenticator,
                origins=origins,
                allowed_hosts=settings.access.allowed_hosts,
                trusted_proxies=settings.access.trusted_proxies,
                ssl_context=make_tls(settings.access),
                unix=settings.access.unix,
                unix_mode=settings.access.unix_mode,
                max_pending=settings.limits.max_pending,
                max_request_rate=settings.limits.max_request_rate,
                max_message_bytes=settings.limits.max_message_bytes,
                max_message_depth=settings.limits.max_message_depth,
                max_connections=settings.limits.max_connections,
            ) as service,
        ):
            await _print_banner(service, store, parts, settings)
            print_access(settings.access, origins, made)
            await _print_trouble(service.engine)
            note("Ctrl-C stops it.")
            with looked_for_seldom():
                await stop.wait()
            note(f"stopping, within {settings.drain_timeout:g} s: what runs is given time to end")
    note("stopped")
    return 0


async def _print_banner(
    service: Service, store: ExecutionStore, parts: Parts, settings: Settings
) -> None:
    signers = [f"{name} {signer.address}" for name, signer in parts.signers.items()]
    durable = store.durable and parts.demo is None  # the demo's file goes with its chain
    note(f"zephyrus-exec {__version__}")
    for address in service.addresses:
        note(f"  listening  {address}")
    note(f"  store      {store.description} ({'durable' if durable else 'gone when this ends'})")
    await _print_agents(parts.repository, settings)
    note(f"  chains     {', '.join(map(str, parts.chains)) or 'none; see --rpc'}")
    note(f"  signers    {', '.join(signers) or 'none'}")
    note(f"  language   {settings.language}")


async def _print_agents(repository: Repository, settings: Settings) -> None:
    """Tell what may be executed, where it comes from, and what cannot be used."""
    try:
        agents = [agent async for agent in repository.list_agents()]
        problems = await repository.find_problems()
    except RepositoryError as error:
        note(f"  agents     not listed: {error.message}")
        return
    none = "none; describe some in a file, see --config and --agents"
    named = settings.agents_from or ""
    place = shown(named) if is_url(named) else Path(named).name
    came = f" (with those of {place})" if named else ""
    note(f"  agents     {f'{len(agents)}{came}' if agents else none}")
    for agent in agents[:_AGENTS_SHOWN]:
        note(f"             {agent.id}  {agent.name}")
    if len(agents) > _AGENTS_SHOWN:
        note(f"             … and {len(agents) - _AGENTS_SHOWN} more: agents list")
    for problem in problems:
        note(f"  attention  {problem.message}")


async def _print_trouble(engine: ExecutionEngine) -> None:
    """Tell which accounts need somebody."""
    for view in await list_lanes(engine.store):
        if view.lane.status in (LaneStatus.BLOCKED, LaneStatus.HALTED):
            note(f"  attention  lane {view.lane.key} is {view.lane.status} ({view.lane.reason})")
            note(f"             lanes show {view.lane.key}")
    for low in await engine.look_at_balances():
        note(f"  attention  lane {low.lane} is low: it has {low.balance_wei} wei,")
        note(f"             and should have {low.wanted_wei}")


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set the event on SIGTERM or Ctrl-C; a second one of either ends the process at once."""
    loop = asyncio.get_running_loop()
    previous: dict[signal.Signals, object] = {}

    def asked(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, asked)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _language(settings: Settings) -> Language:
    return "en" if settings.language == "en" else "es"
