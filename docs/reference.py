"""The generated parts of the pages about protocol v2, in both languages."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import frames
import spanish
import spanish_protocol
from attrs import frozen

from zephyrus_exec import errors
from zephyrus_exec.protocol.v2.facts import DATA
from zephyrus_exec.protocol.v2.messages import (
    ANSWERS,
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    ExecutionCompleted,
    ExecutionStarted,
)
from zephyrus_exec.protocol.v2.schema import schema_of, schemas

_CODES: Final = (
    "invalid_json",
    "too_large",
    "invalid_request",
    "unknown_type",
    "duplicate_request",
    "unsupported_version",
    "unauthenticated",
    "forbidden",
    "agent_not_found",
    "contract_not_found",
    "agent_stopped",
    "agent_busy",
    "idempotency_conflict",
    "outcome_unknown",
    "execution_not_found",
    "effect_not_found",
    "execution_lost",
    "rate_limited",
    "overloaded",
    "draining",
)
"""What a request may be refused with, as far as the protocol itself is concerned."""


@frozen
class Language:
    """How the parts are said."""

    columns: Sequence[str]
    words: Mapping[str, str]
    texts: Mapping[str, str] | None
    """By the English text; null: they are English."""

    def said(self, text: str) -> str:
        """Return a text of the classes in this language."""
        text = " ".join(text.split())
        if self.texts is None:
            return text
        if text not in self.texts:
            sys.exit(f"docs/spanish_protocol.py does not say yet what this means: {text!r}")
        return self.texts[text]


ENGLISH: Final = Language(
    ("key", "type", "", "meaning"),
    {
        "always": "always",
        "answer": "Answer",
        "started": "started",
        "completed": "completed",
        "to": "to",
        "at least": "at least",
        "characters": "characters",
        "list of": "list:",
        "or": "or",
        "yes": "yes",
        "no": "no",
        "anything": "any",
        **{kind: kind for kind in ("string", "integer", "number", "boolean", "object", "null")},
    },
    None,
)
SPANISH: Final = Language(spanish_protocol.COLUMNS, spanish_protocol.WORDS, spanish_protocol.TEXTS)


def requests(language: Language) -> str:
    """Return a section for each message of a client."""
    return "\n\n".join(_section(kind, language) for kind in CLIENT_MESSAGES)


def replies(language: Language) -> str:
    """Return a section for each message of a server."""
    return "\n\n".join(_section(kind, language) for kind in SERVER_MESSAGES)


def events(language: Language) -> str:
    """Return the table of what the events of an execution tell."""
    rows: list[Sequence[str]] = []
    for event, kind in DATA.items():
        rows.append((f"**`{event}`**", "", "", language.said(inspect.getdoc(kind) or "")))
        rows += _rows(schema_of(kind), language)
    return _table(language.columns, rows)


def codes(language: Language) -> str:
    """Return the table of the codes that requests are refused with."""
    words = language.words
    kinds = {kind.code: kind for kind in vars(errors).values() if _is_error(kind)}
    rows = [
        (
            f"`{code}`",
            words["yes" if kinds[code].retryable else "no"],
            (inspect.getdoc(kinds[code]) or "")
            if language.texts is None
            else spanish.MEANINGS[code],
        )
        for code in _CODES
    ]
    columns = ("code", "retryable", "meaning")
    if language.texts is not None:
        columns = ("código", "reintentable", "significado")
    return _table(columns, rows)


def limits(language: Language) -> str:
    """Return the table of the limits that a server tells, with their defaults."""
    told = json.loads(frames.examples()["HelloAck"])["limits"]
    members = schemas()["HelloAck"]["properties"]["limits"]["properties"]
    key, _, _, meaning = language.columns
    rows = [
        (f"`{name}`", f"`{json.dumps(told.get(name))}`", language.said(member["description"]))
        for name, member in members.items()
    ]
    default = "default" if language.texts is None else "por defecto"
    return _table((key, default, meaning), rows)


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.ZephyrusError)


# --- messages ------------------------------------------------------------------------------------


def _section(kind: Any, language: Language) -> str:
    parts = [
        f"### `{kind.type}`{_which(kind, language)}",
        language.said(inspect.getdoc(kind) or ""),
    ]
    if kind in ANSWERS:
        parts.append(f"{language.words['answer']}: `{ANSWERS[kind].type}`.")
    parts.append(_table(language.columns, _rows(schemas()[kind.__name__], language)))
    parts.append(f"```json\n{frames.examples()[kind.__name__]}\n```")
    return "\n\n".join(parts)


def _which(kind: Any, language: Language) -> str:
    named = {ExecutionStarted: "started", ExecutionCompleted: "completed"}
    return f" ({language.words[named[kind]]})" if kind in named else ""


def _rows(
    schema: Mapping[str, Any], language: Language, prefix: str = ""
) -> Iterator[Sequence[str]]:
    for name, member in schema["properties"].items():
        if name == "type" and not prefix:
            continue
        path = f"{prefix}{name}"
        needed = language.words["always"] if name in schema["required"] else _default(member)
        yield f"`{path}`", _type(member, language), needed, language.said(member["description"])
        inner, suffix = _inside(member)
        if inner is not None:
            yield from _rows(inner, language, f"{path}{suffix}.")


def _inside(member: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """Return the object that a member is or holds, and how its keys are reached."""
    for choice in (member, *member.get("anyOf", ())):
        if "properties" in choice:
            return choice, ""
        if "properties" in choice.get("items", {}):
            return choice["items"], "[]"
    return None, ""


def _default(member: Mapping[str, Any]) -> str:
    value = member.get("default")
    return "" if value in (None, "") else f"`{json.dumps(value)}`"


def _type(member: Mapping[str, Any], language: Language) -> str:
    words = language.words
    if "const" in member:
        return f"`{json.dumps(member['const'])}`"
    if "anyOf" in member:
        return f" {words['or']} ".join(_type(each, language) for each in member["anyOf"])
    kinds = member.get("type", "anything")
    if "enum" in member:
        names = ", ".join(f"`{value}`" for value in member["enum"])
        return names if isinstance(kinds, str) else f"{names} {words['or']} {words['null']}"
    if kinds == "array":
        return f"{words['list of']} {_type(member['items'], language)}"
    several = [kinds] if isinstance(kinds, str) else kinds
    named = f" {words['or']} ".join(words[kind] for kind in several)
    return named + _bounds(member, language)


def _bounds(member: Mapping[str, Any], language: Language) -> str:
    words = language.words
    if "maxLength" in member:
        least, most = member["minLength"], member["maxLength"]
        return f", {least} {words['to']} {most} {words['characters']}"
    if "maximum" in member:
        return f", {member['minimum']} {words['to']} {member['maximum']}"
    if "minimum" in member:
        return f", {words['at least']} {member['minimum']}"
    return ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
