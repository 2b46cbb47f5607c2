"""Writes the parts of the documentation that the code knows better.

    python docs/generate.py            # writes them
    python docs/generate.py --check    # exit code 1 where one is out of date

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`. The AsyncAPI document and the
pictures of benchmarks are made as a whole.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncapi
import attrs
import performance
import reference
import spanish

from zephyrus_exec import errors, model
from zephyrus_exec.cli.main import build_parser
from zephyrus_exec.config import Limits
from zephyrus_exec.config.access import AccessTable
from zephyrus_exec.config.file import ChainTable, File, SignerTable
from zephyrus_exec.config.variables import RETIRED, VARIABLES
from zephyrus_exec.protocol.messages import REQUEST_TYPES
from zephyrus_exec.protocol.texts_en import ENGLISH
from zephyrus_exec.protocol.texts_es import SPANISH
from zephyrus_exec.protocol.v2.schema import field_docs

DOCS: Final = Path(__file__).parent
_PART: Final = re.compile(r"(<!-- generated: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check every page and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    stale = [page for page in sorted(DOCS.rglob("*.md")) if _update(page, write=not check)]
    made = {"asyncapi.json": asyncapi.document(), **performance.pictures()}
    stale += [DOCS / name for name in made if _replace(DOCS / name, made[name], write=not check)]
    for page in stale:
        print(f"{page.relative_to(DOCS).as_posix()}: {'is out of date' if check else 'written'}")
    return 1 if check and stale else 0


def _update(page: Path, *, write: bool) -> bool:
    """Return whether the page is not what it should be."""
    text = page.read_text(encoding="utf-8")
    fresh = _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[4]}", text)
    return _replace(page, fresh, write=write)


def _replace(page: Path, fresh: str, *, write: bool) -> bool:
    """Return whether the page is not this text; make it so."""
    stale = not page.exists() or page.read_text(encoding="utf-8") != fresh
    if write and stale:
        page.write_text(fresh, encoding="utf-8", newline="\n")
    return stale


# --- Markdown ------------------------------------------------------------------------------------


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: object) -> str:
    return f"`{text}`"


# --- errors --------------------------------------------------------------------------------------


def _errors() -> str:
    columns = ("code, class", "retryable", "meaning", "Spanish", "English")
    return "\n\n".join(_family(*family, columns, _error_row) for family in _families())


def _spanish_errors() -> str:
    columns = ("código, clase", "reintentable", "significado", "español", "inglés")
    return "\n\n".join(_family(*family, columns, _spanish_error_row) for family in _families())


def _families() -> Iterator[tuple[type[errors.ZephyrusError], list[type[errors.ZephyrusError]]]]:
    """Yield each family's root and its members, in the order of the module."""
    every = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ZephyrusError)
    ]
    for root in every:
        if errors.ZephyrusError in root.__bases__:
            yield root, [kind for kind in every if issubclass(kind, root)]


def _family(
    root: type[errors.ZephyrusError],
    members: Sequence[type[errors.ZephyrusError]],
    columns: Sequence[str],
    row: Callable[[type[errors.ZephyrusError]], Sequence[str]],
) -> str:
    return f"## {root.__name__}\n\n{_table(columns, map(row, members))}"


def _error_row(kind: type[errors.ZephyrusError]) -> Sequence[str]:
    return _name(kind), "yes" if kind.retryable else "no", inspect.getdoc(kind) or "", *_both(kind)


def _spanish_error_row(kind: type[errors.ZephyrusError]) -> Sequence[str]:
    if kind.code not in spanish.MEANINGS:
        sys.exit(f"docs/spanish.py does not say yet what {kind.code!r} means")
    return _name(kind), "sí" if kind.retryable else "no", spanish.MEANINGS[kind.code], *_both(kind)


def _name(kind: type[errors.ZephyrusError]) -> str:
    return f"{_code(kind.code)}<br>`{kind.__name__}`"


def _both(kind: type[errors.ZephyrusError]) -> Sequence[str]:
    """Return the texts of an error in Spanish and in English."""
    return ["<br>".join(map(_code, texts.errors[kind.code])) for texts in (SPANISH, ENGLISH)]


def _texts() -> str:
    names = {
        "invalid_json": "no JSON object, or one that breaks a limit",
        "type_required": "`type` is missing, or no string",
        "agent_id_required": "no agent id, or none of 1 to 256 characters",
        "unknown_type": f"`type` is neither {' nor '.join(map(_code, sorted(REQUEST_TYPES)))}",
    }
    return _rejections(("the frame", "`message`, Spanish", "`message`, English"), names)


def _spanish_texts() -> str:
    names = {
        **spanish.REJECTIONS,
        "unknown_type": f"`type` no es {' ni '.join(map(_code, sorted(REQUEST_TYPES)))}",
    }
    return _rejections(("el mensaje", "`message`, en español", "`message`, en inglés"), names)


def _rejections(columns: Sequence[str], names: Mapping[str, str]) -> str:
    follows = {"unknown_type": "TYPE"}
    rows = [
        (
            meaning,
            _code(getattr(SPANISH, name) + follows.get(name, "")),
            _code(getattr(ENGLISH, name) + follows.get(name, "")),
        )
        for name, meaning in names.items()
    ]
    return _table(columns, rows)


# --- values --------------------------------------------------------------------------------------


def _fields(kind: type[Any]) -> str:
    docs = field_docs(kind)
    rows = [
        (_code(field.name), _type_name(field.type), _default(field), docs.get(field.name, ""))
        for field in attrs.fields(kind)
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _type_name(kind: object) -> str:
    text = str(getattr(kind, "__name__", kind)) if isinstance(kind, type) else str(kind)
    known = {
        "str": "string",
        "int": "integer",
        "float": "number",
        "bool": "boolean",
        "Decimal": "number",
        "AgentStatus": "`active`, `paused`, `stopped`",
        "OnFailure": "`stop`, `continue`",
        "Overlap": "`queue`, `join`, `refuse`",
        "FunctionType": "`read`, `write`, `payable`",
        "JsonObject": "table",
        "Json": "any",
        "Component": "table",
        "AgentFunction": "functions",
        "FunctionParameter": "parameters",
        "Rules": "table",
    }
    name = text.removesuffix(" | None").strip()
    inner = re.fullmatch(r"tuple\[(\w+), \.\.\.\]", name)
    if inner:
        return f"list of {known.get(inner[1], inner[1])}"
    return known.get(name, name if name.isidentifier() else "table")


def _default(field: attrs.Attribute[Any]) -> str:
    value = field.default
    if value is attrs.NOTHING:
        return "required"
    if isinstance(value, attrs.Factory) or value in (None, "", ()):  # type: ignore[arg-type]
        return ""
    if isinstance(value, bool):
        return _code(str(value).lower())
    return _code(value)


def _events() -> str:
    docs = field_docs(model.EventKind)
    return _table(
        ("event", "its data"), [(_code(kind.value), docs[kind.name]) for kind in model.EventKind]
    )


# --- settings ------------------------------------------------------------------------------------


def _file_keys() -> str:
    meanings = {
        "host": "Name or address to listen on; `*`: every address.",
        "port": "TCP port; `0`: a free one.",
        "store": "`memory:`, or a SQLite file; a relative path starts from the file's folder.",
        "agents_from": "Folder, JSON or TOML file, SQLite database, or Zephyrus API with "
        "further agents.",
        "agents_chain_id": "Chain of contracts that come from a Zephyrus API; absent: the only "
        "configured one.",
        "language": "`es` or `en`: the language of the texts that clients get.",
        "drain_timeout": "Seconds that running executions get on a stop.",
        "keep_executions": "How many ended executions are kept; absent: all, or 1,000 in memory.",
        "keep_for": "How long they are kept: `90d`, `12h`, `30m` or seconds; absent: for ever.",
        "log_level": "`debug`, `info`, `warning`, `error` or `critical`: the least that is logged.",
        "log_format": "`text` or `json`: how lines are logged.",
        "loop": "`auto`, `asyncio` or `uvloop`: the event loop.",
        "chains": "Chain id → RPC URL, a list of them, or a table, see below.",
        "signers": "Name → signer, see below. Names are small letters, digits and `_`.",
        "limits": "Bounds, see below.",
        "access": "Who may come, see below.",
        "agents": "Agents, see below.",
        "contracts": "Contracts, see below.",
    }
    rows = [(_code(field.name), meanings[field.name]) for field in attrs.fields(File)]
    return _table(("key", "meaning"), rows)


def _variables() -> str:
    rows = [
        (
            _code(one.name),
            _code(one.flag) if one.flag.startswith("-") else one.flag,
            _code(one.key) if one.key else "",
            _code(one.default) if one.default else "",
            one.meaning,
        )
        for one in VARIABLES
    ]
    return _table(("environment", "flag of `serve`", "key of the file", "default", "meaning"), rows)


def _retired() -> str:
    rows = [(_code(name), retired.instead) for name, retired in RETIRED.items()]
    return _table(("variable of the original", "now"), rows)


def _flags() -> str:
    return "\n\n".join(
        f"### `{name}`\n\n{_arguments(parser)}" for name, parser in _commands(build_parser(), "")
    )


def _commands(
    parser: argparse.ArgumentParser, prefix: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield prefix.strip(), parser
    for group in groups:
        for name, command in group.choices.items():
            yield from _commands(command, f"{prefix} {name}")


def _arguments(parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        name = ", ".join(action.option_strings) or str(action.metavar)
        if action.option_strings and action.nargs != 0:
            name += f" {action.metavar or action.dest.upper()}"
        rows.append((_code(name), (action.help or "") % vars(action)))
    return _table(("argument", "meaning"), rows) if rows else "No arguments."


PARTS: Final[dict[str, Callable[[], str]]] = {
    "errors": _errors,
    "errors-es": _spanish_errors,
    "texts": _texts,
    "texts-es": _spanish_texts,
    "events": _events,
    "v2-requests": lambda: reference.requests(reference.ENGLISH),
    "v2-requests-es": lambda: reference.requests(reference.SPANISH),
    "v2-replies": lambda: reference.replies(reference.ENGLISH),
    "v2-replies-es": lambda: reference.replies(reference.SPANISH),
    "v2-events": lambda: reference.events(reference.ENGLISH),
    "v2-events-es": lambda: reference.events(reference.SPANISH),
    "v2-codes": lambda: reference.codes(reference.ENGLISH),
    "v2-codes-es": lambda: reference.codes(reference.SPANISH),
    "v2-limits": lambda: reference.limits(reference.ENGLISH),
    "v2-limits-es": lambda: reference.limits(reference.SPANISH),
    "flags": _flags,
    "variables": _variables,
    "access-keys": lambda: _fields(AccessTable),
    "retired": _retired,
    "file-keys": _file_keys,
    "chain-keys": lambda: _fields(ChainTable),
    "signer-keys": lambda: _fields(SignerTable),
    "limit-keys": lambda: _fields(Limits),
    "agent-keys": lambda: _fields(model.Agent),
    "component-keys": lambda: _fields(model.Component),
    "function-keys": lambda: _fields(model.AgentFunction),
    "parameter-keys": lambda: _fields(model.FunctionParameter),
    "rule-keys": lambda: _fields(model.Rules),
    "contract-keys": lambda: _fields(model.Contract),
    "benchmarks": performance.markdown,
}
"""What each part holds."""


if __name__ == "__main__":
    sys.exit(main())
