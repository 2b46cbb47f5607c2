"""Whether a journal may have lost events since it was last open: then it gets a new epoch."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Final

from ..interfaces.clock import NewId
from .sqlite_connection import rolled_back_on_error

_log = logging.getLogger(__name__)

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""Where Linux names the time since the machine was started (random(4)); other systems lack it."""


def read_boot_id(file: Path = BOOT_ID) -> str:
    """Return a name of the time since the machine was started; empty where none is known."""
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def enter(connection: sqlite3.Connection, boot: str, new_id: NewId) -> str:
    """Count one more that has the journal open, and return its epoch. Within a transaction.

    Commits that nobody asked to be flushed survive the end of every process, but not that of the
    machine. So where the machine was started anew while somebody had the journal open, events that
    were told may be missing, and the epoch is another one.

    Args:
        connection: To the journal.
        boot: Name of the time since the machine was started; empty: not known, and then a lost
            event is not suspected.
        new_id: Gives a new epoch.
    """
    before, holders = str(_get(connection, "boot") or ""), int(_get(connection, "open") or 0)
    restarted = bool(boot) and bool(before) and boot != before
    if restarted and holders:
        _log.warning("the machine stopped while the journal was open: it gets a new epoch")
        _set(connection, "epoch", new_id())
    _set(connection, "boot", boot or before)
    _set(connection, "open", 1 if restarted else holders + 1)
    return str(_get(connection, "epoch"))


def leave(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Flush everything, and count one fewer that has the journal open.

    Where that fails, the journal counts as open until the machine is started anew; at worst it
    then gets a new epoch without need.
    """
    try:
        connection.execute(f"PRAGMA busy_timeout = {round(busy_timeout * 1000)}")
        connection.execute("PRAGMA synchronous = FULL")
        with rolled_back_on_error(connection):
            connection.execute("BEGIN IMMEDIATE")
            _set(connection, "open", max(0, int(_get(connection, "open") or 0) - 1))
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        _log.warning("the journal could not be closed in good order: %s", error)


def begin_anew(connection: sqlite3.Connection, new_id: NewId) -> str:
    """Give the journal a new epoch and return it, whatever it is now. Within a transaction."""
    _set(connection, "epoch", epoch := new_id())
    return epoch


def _get(connection: sqlite3.Connection, name: str) -> str | int | None:
    row = connection.execute("SELECT value FROM zx_meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def _set(connection: sqlite3.Connection, name: str, value: str | int) -> None:
    connection.execute(
        "INSERT INTO zx_meta (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
