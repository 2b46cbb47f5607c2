"""What a terminal says of executions, in the language of whoever looks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ..config import LANGUAGES
from ..config.refusal import refuse
from ..protocol.wording import Language
from .environment import environment_of

VARIABLE: Final = "ZEPHYRUS_LANGUAGE"
_LOCALE: Final = ("LC_ALL", "LC_MESSAGES", "LANG")


@frozen(kw_only=True)
class Words:
    """Every text of one language; templates name their placeholders in braces."""

    language: Language

    accepted: str
    """`agent`, `execution`"""
    started: str
    taken_over: str
    planned: str
    """`actions`"""
    planned_nothing: str
    action_started: str
    """`step`, `arguments`"""
    effect_signed: str
    """`step`, `transaction`, `chain`, `nonce`"""
    action_done: str
    """`step`, `result`"""
    action_failed: str
    """`step`, `error`"""
    progress: str
    """`data`"""
    cancel_requested: str
    """`principal`"""
    cancel_requested_why: str
    """`principal`, `reason`"""
    effect: str
    """Something that happened to an effect: `step`, `transaction`, `what`"""
    done: str
    """A result that says no more."""
    block: str
    """`number`"""
    gas: str
    """`amount`"""

    running: str
    """How a step stands that goes on."""
    effects: Mapping[str, str]
    """How an effect stands, by its last event: `block`"""
    reverted: str
    """How an effect stands that is in a block, and that the contract refused: `block`"""
    statuses: Mapping[str, str]
    """How an execution stands, by its status."""
    outcomes: Mapping[str, str]
    """How it ended, by `Outcome`."""
    dispositions: Mapping[str, str]
    """What the answer to a cancel means, by `disposition`."""
    request_left: str
    """A journal holds the request to end an execution."""

    ended: str
    """`outcome`, `agent`, `done`"""
    ended_why: str
    """`outcome`, `agent`, `done`, `error`"""
    none_done: str
    one_done: str
    some_done: str
    """`count`"""
    counts: str
    """Where the effects stand: `counts`"""
    counted: Mapping[str, str]
    """By the field of `EffectCounts`: `count`"""

    look_first: str
    look_in_doubt: str
    """`transaction`"""
    still_pending: str
    """`command`"""

    cancelling: str
    lost: str
    """`seconds`"""
    lost_why: str
    """`seconds`, `reason`"""
    connected: str
    left: str
    """`watch`, `cancel`"""
    left_unknown: str
    """`command`"""
    left_v1: str
    """The server told no id."""

    step_columns: tuple[str, str, str, str, str]
    """Number, step, how it stands, transaction, how long it took."""
    earlier: str
    """`count`"""
    list_columns: tuple[str, str, str, str]
    """Execution, agent, status, outcome, created, took."""


def words_of(options: argparse.Namespace) -> Words:
    """Return the words of the language that is asked for.

    That is `--language`, or ZEPHYRUS_LANGUAGE, or what the system speaks if that is Spanish, or
    English.

    Raises:
        ConfigurationError: Another language is asked for.
    """
    known = environment_of(options)
    source = "--language" if options.language else VARIABLE
    asked = options.language or known.get(VARIABLE) or _system_language(known)
    if asked not in LANGUAGES:
        refuse(source, f"{asked!r} is no language here", f"write {' or '.join(LANGUAGES)}")
    return words("es" if asked == "es" else "en")


def words(language: Language) -> Words:
    """Return the words of a language."""
    if language == "es":
        from .words_es import SPANISH

        return SPANISH
    from .words_en import ENGLISH

    return ENGLISH


def _system_language(known: Mapping[str, str]) -> Language:
    named = next((known[name] for name in _LOCALE if known.get(name)), "")
    return "es" if named.partition("_")[0].partition(".")[0] == "es" else "en"
