"""What a language has to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import frozen

Language: TypeAlias = Literal["es", "en"]


@frozen(kw_only=True)
class Texts:
    """Every text of one language.

    Templates name their placeholders in braces. Where there are several for one code, the first
    whose placeholders are all known is taken, so the last one has none.
    """

    started: str
    """The agent id follows."""
    nothing_done: str
    invalid_json: str
    type_required: str
    agent_id_required: str
    unknown_type: str
    """The type follows."""

    action_failed: str
    """Which action of an execution failed: `number`, `action`, `error`."""
    one_ran: str
    """One action ran, of an unknown number: `actions`."""
    some_ran: str
    """Several ran, of an unknown number: `count`, `actions`."""
    one_of_ran: str
    """One action ran: `total`, `actions`."""
    some_of_ran: str
    """Several, or all, ran: `count`, `total`, `actions`."""
    without_success: str
    """Transactions that were sent and did not succeed, as far as known: `actions`."""
    do_not_repeat: str

    errors: Mapping[str, tuple[str, ...]]
    """Templates by error code; placeholders are names of the error's details."""
    unknown_error: tuple[str, ...]
    """Templates for a code that is not in `errors`: `code`."""
