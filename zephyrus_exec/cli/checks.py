"""What the doctor looks at, one function for each thing."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import os
import shutil
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ..access import read_tokens
from ..config import MEMORY_STORE, KeySettings, Settings, SignerSettings, shown
from ..engine import ExecutionEngine
from ..engine.accounts import list_lanes
from ..engine.records import LaneStatus
from ..errors import ConfigurationError, InvocationError, ZephyrusError
from ..interfaces.chain import Chain
from ..interfaces.repositories import AgentRepository
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore
from ..model import AgentStatus
from ..transports.sockets import listen
from .findings import Finding, green, red, yellow

_PATIENCE: Final = 5.0
"""Seconds a node gets to answer."""
_STALE: Final = 300.0
"""Age in seconds from which a newest block is old."""
_AHEAD: Final = 60.0
"""Seconds by which a block may be ahead of this machine's clock."""
_MIB: Final = 1 << 20
_LITTLE_ROOM, _NO_ROOM = 1024 * _MIB, 64 * _MIB
"""Free bytes of the journal's disk below which somebody should look, or mend it."""


# --- settings ------------------------------------------------------------------------------------


def settings_found(settings: Settings, dotenv: Path | None) -> list[Finding]:
    """Tell where the settings came from, and whether a file with secrets in it is everybody's."""
    said = ", ".join(f"{name} by {source}" for name, source in settings.sources.items())
    findings = [green("settings", said or "all by default")]
    if dotenv is not None and os.name == "posix":
        others = dotenv.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
        if others and settings.signers:
            remedy = f"chmod 600 {dotenv}"
            findings.append(yellow("settings", f"{dotenv} can be read by others", remedy))
    return findings


# --- the journal ---------------------------------------------------------------------------------


def store_place_found(settings: Settings) -> tuple[Path | None, list[Finding]]:
    """Return the journal's file if there is one to open, and what was found around it."""
    if settings.store == MEMORY_STORE:
        remedy = "name a file with --store, unless nothing may outlive the server"
        return None, [yellow("store", "the journal is gone when the server ends", remedy)]
    path = Path(settings.store).absolute()
    if not path.parent.is_dir():
        remedy = f"mkdir {path.parent}"
        return None, [red("store", f"there is no folder {path.parent}", remedy)]
    findings = [_room_found(path.parent)]
    if path.exists():
        return path, findings
    if not os.access(path.parent, os.W_OK):
        remedy = "make it writable for the server's user, or name another file"
        return None, [*findings, red("store", f"{path.parent} is not writable", remedy)]
    return None, [*findings, green("store", f"{path} will be made by the first start")]


def _room_found(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free // _MIB:,} MiB are free on its disk"
    if free < _NO_ROOM:
        return red("store", found, "free some: without room nothing is executed")
    if free < _LITTLE_ROOM:
        return yellow("store", found, "free some: without room nothing is executed")
    return green("store", found)


async def lanes_found(store: ExecutionStore) -> list[Finding]:
    """Tell which accounts wait for somebody."""
    try:
        views = await list_lanes(store)
    except ZephyrusError as error:  # not readable, or not as this release writes it
        return [red("store", error.message, "store verify tells what is damaged")]
    findings = []
    for view in views:
        lane = view.lane
        if lane.status in (LaneStatus.BLOCKED, LaneStatus.HALTED):
            found = f"is {lane.status} ({lane.reason})"
            findings.append(yellow(f"lane {lane.key}", found, f"lanes show {lane.key}"))
        elif view.in_doubt:
            found = f"{len(view.in_doubt)} effects are in doubt"
            findings.append(yellow(f"lane {lane.key}", found, f"lanes show {lane.key}"))
    return findings


# --- chains and signers --------------------------------------------------------------------------


def no_chains_found(settings: Settings) -> list[Finding]:
    """Tell that agents with contracts have no chain at all."""
    if settings.chains or not settings.contracts:
        return []
    return [red("chains", "none is configured", "write --rpc CHAINID=URL for each")]


async def endpoint_found(
    chain: Chain, url: str, *, now: Callable[[], float] = time.time
) -> Finding:
    """Tell whether one node answers, for the right chain, and how old its newest block is."""
    check, place = f"chain {chain.chain_id}", shown(url)
    try:
        async with asyncio.timeout(_PATIENCE):
            head = await chain.head()
    except TimeoutError:
        remedy = "look at the node, or name another"
        return red(check, f"{place} did not answer in {_PATIENCE:g} s", remedy)
    except InvocationError as error:
        return red(check, f"{place}: {error.message}", "look at the node, or name another")
    age = now() - head.timestamp
    found = f"{place} is at block {head.number}, {max(0.0, age):.0f} s old"
    if age > _STALE:
        return yellow(check, found, "see whether the node is behind, or the chain idle")
    if age < -_AHEAD:
        found = f"{place} is {-age:.0f} s ahead of this machine's clock"
        return yellow(check, found, "set the clock")
    return green(check, found)


def signer_found(name: str, signer: Signer, settings: SignerSettings) -> Finding:
    """Tell whose account it is, and whether its key lies open."""
    if isinstance(settings, KeySettings):
        remedy = f"put it into a keystore: ZEPHYRUS_KEYSTORE_{name.upper()}"
        found = f"{signer.address}, its key is given openly"
        return yellow(f"signer {name}", found, remedy)
    return green(f"signer {name}", f"{signer.address}, keystore opened")


async def account_found(name: str, signer: Signer, chain: Chain) -> Finding:
    """Tell what a signer's account has on a chain, and whether it can send."""
    check = f"signer {name}"
    try:
        async with asyncio.timeout(_PATIENCE):
            account = await chain.account(signer.address)
    except (InvocationError, TimeoutError):
        return yellow(
            check, f"its balance on chain {chain.chain_id} is not known", "mend the chain"
        )
    found = f"{account.balance_wei / 10**18:.6g} of the currency of chain {chain.chain_id}"
    if not account.can_send:
        remedy = "use another account: this one is a contract's"
        return red(check, f"cannot send on chain {chain.chain_id}: it has code", remedy)
    if account.balance_wei == 0:
        return yellow(check, found, f"send {signer.address} some, if its agents write there")
    return green(check, found)


# --- agents --------------------------------------------------------------------------------------


async def agents_found(engine: ExecutionEngine, repository: AgentRepository) -> list[Finding]:
    """Tell what would keep each agent from running."""
    findings = []
    async for agent in repository.list_agents():
        check = f"agent {agent.id}"
        if agent.status is AgentStatus.STOPPED:
            findings.append(yellow(check, "its status is stopped", "set it to active, to run it"))
            continue
        problems = await engine.find_problems(agent)
        findings += [red(check, problem, "mend that; until then it fails") for problem in problems]
        if not problems:
            findings.append(green(check, agent.name or "can run"))
    remedy = "describe some in a file, see --config"
    return findings or [yellow("agents", "there are none", remedy)]


async def low_balances_found(engine: ExecutionEngine) -> list[Finding]:
    """Tell which accounts cannot pay for many more transactions like their last."""
    try:
        lows = await engine.look_at_balances()
    except ZephyrusError:  # the lanes cannot be read, which was told with the journal
        return []
    return [
        yellow(
            f"lane {low.lane}",
            f"has {low.balance_wei} wei, and should have {low.wanted_wei}",
            "send its account some",
        )
        for low in lows
    ]


# --- who may come --------------------------------------------------------------------------------


def access_found(settings: Settings) -> list[Finding]:
    """Tell who may execute."""
    access = settings.access
    near = access.unix is not None or _loopback_only(settings.host)
    place = "this machine" if near else (settings.host or "every address")
    if access.allow_anonymous:
        remedy = "name who may come: --tokens FILE, see `tokens new`"
        found = f"whoever reaches {place} may execute every agent without an owner"
        return [yellow("access", found, remedy)]
    if access.tokens is not None:
        return [_tokens_found(access.tokens)]
    if near:
        return [green("access", "programs and pages of this machine")]
    remedy = "name who may come: --tokens FILE, see `tokens new`; or listen on localhost"
    found = f"{place} can be reached from other machines, and nobody said who may come"
    return [(red if settings.signers else yellow)("access", found, remedy)]


def _tokens_found(path: Path) -> Finding:
    try:
        tokens = read_tokens(path)
    except ConfigurationError as error:
        return red("access", error.message, "see `tokens new`")
    now = datetime.now(UTC)
    valid = [token for token in tokens if token.expires is None or now < token.expires]
    if not valid:
        return red("access", f"no token of {path.name!r} is valid: nobody may come", "tokens new")
    return green("access", f"{len(valid)} tokens of {path.name!r}")


def _loopback_only(host: str | None) -> bool:
    try:
        return host == "localhost" or (host is not None and ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


async def port_found(settings: Settings) -> list[Finding]:
    """Tell whether the port is free, or who has it."""
    if settings.access.unix is not None:
        return [green("port", "none: a Unix socket")]
    place = f"{settings.host or 'every address'}, port {settings.port}"
    try:
        for each in await listen(settings.host, settings.port):
            each.close()
    except ConfigurationError as error:
        host = settings.host or "localhost"
        if await asyncio.to_thread(_is_ours, host, settings.port):
            return [yellow("port", f"a server of ours listens there already: {place}", "stop one")]
        return [red("port", error.message, "stop what listens there, or choose another --port")]
    return [green("port", f"{place} is free")]


def _is_ours(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return b"zephyrus_exec" in connection.getresponse().read(100)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
