"""Texts for people, in Spanish and English: the fixed ones of v1, and one per error code.

A text is made of an error's code and details alone. Its message is for logs and developers.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Final

from ..errors import ZephyrusError
from ..model import ActionResult, Json, JsonObject
from .texts_en import ENGLISH
from .texts_es import SPANISH
from .wording import Language, Texts

MAX_DETAIL: Final = 300
"""Characters of one detail that a text repeats."""

TEXTS: Final[Mapping[Language, Texts]] = {"es": SPANISH, "en": ENGLISH}


def cut(value: object) -> str:
    """Return the value as one line of printable text of at most `MAX_DETAIL` characters.

    Details may hold what a stranger wrote, such as the reason of a revert.
    """
    text = str(value)
    ending = "…" if len(text) > MAX_DETAIL else ""
    return "".join(c if c.isprintable() else " " for c in text[:MAX_DETAIL]) + ending


def render_error(error: JsonObject | ZephyrusError, language: Language) -> str:
    """Return what an error means, for people.

    Args:
        error: The error, or `{code, message, details}` as the journal keeps it.
        language: Of the text.
    """
    if isinstance(error, ZephyrusError):
        return _fill(_known_code(type(error)), error.details, language)
    details = error.get("details")
    return _fill(error.get("code"), details if isinstance(details, Mapping) else {}, language)


def _known_code(kind: type[ZephyrusError]) -> str:
    """Return the code of the nearest ancestor there is a text for; the root has one."""
    codes = [ancestor.code for ancestor in kind.__mro__ if issubclass(ancestor, ZephyrusError)]
    return next(code for code in codes if code in SPANISH.errors)


def _fill(code: Json, details: Mapping[str, Json], language: Language) -> str:
    """Return the first template of the code whose every placeholder has a value."""
    texts = TEXTS[language]
    known = {**details, "code": code}
    values = {name: cut(value) for name, value in known.items() if value not in (None, "")}
    templates = texts.errors.get(str(code), texts.unknown_error)
    return next(t.format_map(values) for t in templates if placeholders(t) <= values.keys())


def placeholders(template: str) -> set[str]:
    """Return the names of the details a template needs."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def render_failure(
    error: JsonObject | ZephyrusError,
    done: Sequence[ActionResult],
    planned_total: int | None,
    language: Language,
) -> str:
    """Return why an execution failed, at which action, and what had been done by then.

    Args:
        error: What it failed with.
        done: Every action that finished, failed ones included, in order.
        planned_total: How many actions were planned in all; null: not known.
        language: Of the text.
    """
    texts = TEXTS[language]
    text = render_error(error, language)
    failing = _failing_action(error, done)
    if failing is not None:
        text = texts.action_failed.format(number=len(done), action=_label(failing), error=text)
    others = [result for result in done if result is not failing]
    ran = [_label(result) for result in others if result.success]
    unclear = [_label(r) for r in others if not r.success and r.transaction_hash is not None]
    clauses = [_ran(ran, planned_total, texts)] if ran else []
    if unclear:
        clauses.append(texts.without_success.format(actions=", ".join(unclear)))
    if clauses or (failing is not None and failing.transaction_hash is not None):
        clauses.append(texts.do_not_repeat)
    return ". ".join([text, "; ".join(clauses)]) if clauses else text


def _failing_action(
    error: JsonObject | ZephyrusError, done: Sequence[ActionResult]
) -> ActionResult | None:
    """Return the last action if it is what the execution failed with."""
    if not done or done[-1].success or done[-1].error is None:
        return None
    code = error.code if isinstance(error, ZephyrusError) else error.get("code")
    return done[-1] if done[-1].error.get("code") == code else None


def _label(result: ActionResult) -> str:
    name = result.function_name
    if result.name not in ("", name) and not result.name.isdecimal():
        name = f"{result.name}: {name}"
    return " ".join(filter(None, (cut(name), result.transaction_hash)))


def _ran(labels: Sequence[str], planned_total: int | None, texts: Texts) -> str:
    count = len(labels)
    if planned_total is None or planned_total < count:
        template = texts.one_ran if count == 1 else texts.some_ran
    else:
        template = texts.one_of_ran if count == 1 else texts.some_of_ran
    return template.format(count=count, total=planned_total, actions=", ".join(labels))
