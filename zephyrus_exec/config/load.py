"""Putting the settings together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model import Json
from .access import read_access
from .chain_rules import read_chain_rules
from .chains import read_chains
from .file import ChainTable, File, SignerTable, chain_tables, read_file, signer_tables
from .settings import Settings
from .signers import read_signers
from .values import SCALARS, flag_of


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None = None
) -> Settings:
    """Return the settings these sources agree on.

    Args:
        flags: From the command line, by name: `host`, `port`, `store`, `agents_from`,
            `agents_chain_id`, `language`, `drain_timeout`, `keep_executions`, `keep_for`,
            `log_level`, `log_format`, `loop`, those of access, and `rpc`, a list of
            `CHAINID=URL,URL`. Null counts as not given; other names are ignored.
        environ: Usually `os.environ`.
        file: A TOML file; relative paths in it start from its folder. Null: none.

    Raises:
        ConfigurationError: A value is wrong; one line names the flag, variable or key, shows the
            value unless it may be secret, and says what to write. Details: `source`.
    """
    tables: dict[str, SignerTable] = {}
    chains: dict[str, ChainTable] = {}
    if file is None:
        name, content = "", File()
    else:
        name, content = file.name, read_file(file)
        tables, chains = signer_tables(file, content), chain_tables(file, content)
    present = {variable: text for variable, text in environ.items() if text}
    values, sources = _scalars(flags, present, name, content)
    return Settings(
        chains=read_chains(flags.get("rpc"), present, name, _urls(chains)),
        chain_rules=read_chain_rules(name, chains),
        signers=read_signers(present, name, tables),
        limits=content.limits,
        access=read_access(flags, present, file, content.access),
        agents=content.agents,
        contracts=content.contracts,
        sources=sources,
        **values,
    )


def _urls(tables: Mapping[str, ChainTable]) -> dict[str, Json]:
    """Return the URLs the file has; a table may leave them to the environment."""
    return {number: table.rpc for number, table in tables.items() if table.rpc is not None}


def _scalars(
    flags: Mapping[str, object], environ: Mapping[str, str], name: str, content: File
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values somebody set, and who set them."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting, (variables, parse) in SCALARS.items():
        candidates = [(flag_of(setting), flags.get(setting))]
        candidates += [(variable, environ.get(variable)) for variable in variables]
        candidates += [(f"{name}: {setting}", getattr(content, setting))]
        source, value = next((each for each in candidates if each[1] is not None), ("", None))
        if value is not None:
            values[setting], sources[setting] = parse(source, value), source
    if "host" not in sources and sources.get("port") == "PORT":
        # A platform that hands out the port reaches us from outside.
        values["host"], sources["host"] = None, "PORT"
    return values, sources
