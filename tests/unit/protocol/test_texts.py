"""Texts for people."""

from __future__ import annotations

from typing import get_args

import pytest

from zephyrus_exec import errors
from zephyrus_exec.errors import AgentNotFound, CallReverted, InvocationError, ZephyrusError
from zephyrus_exec.model import ActionResult
from zephyrus_exec.protocol import TEXTS, Language, render_error, render_failure
from zephyrus_exec.protocol.texts import MAX_DETAIL, placeholders

LANGUAGES: tuple[Language, ...] = get_args(Language)
HASH = "0x" + "ab" * 32


OURS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ZephyrusError)
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_text_of_its_own(kind: type[ZephyrusError], language: Language) -> None:
    assert kind.code in TEXTS[language].errors
    text = render_error(kind("secret /etc/passwd"), language)
    assert text
    assert text == render_error({"code": kind.code, "message": "secret"}, language)
    assert "secret" not in text
    assert "{" not in text


@pytest.mark.parametrize("code", TEXTS["es"].errors)
def test_both_languages_tell_the_same_details(code: str) -> None:
    spanish, english = TEXTS["es"].errors[code], TEXTS["en"].errors[code]
    assert [placeholders(t) for t in spanish] == [placeholders(t) for t in english]
    assert placeholders(spanish[-1]) == set()


@pytest.mark.parametrize("code", TEXTS["es"].errors)
def test_a_text_uses_only_details_the_error_documents(code: str) -> None:
    (kind,) = (kind for kind in OURS if kind.code == code)
    extra = {"incident", "extra", "problem", "remedy", "field"}
    named = set().union(*(placeholders(text) for text in TEXTS["es"].errors[code]))
    documented = (kind.__doc__ or "").replace("`", " ").split()
    assert all(name in documented or name in extra for name in named)


@pytest.mark.parametrize(
    ("language", "text"),
    [("es", "Agente no encontrado: ñ"), ("en", "Agent not found: ñ")],
)
def test_details_are_filled_in(language: Language, text: str) -> None:
    assert render_error(AgentNotFound("", agent_id="ñ"), language) == text


def test_a_poorer_text_is_taken_where_details_are_missing() -> None:
    assert render_error(CallReverted("", function="f", reason=""), "en") == (
        "The contract reverted the call of f"
    )
    assert render_error({"code": "agent_not_found", "details": {"agent_id": None}}, "en") == (
        "Agent not found"
    )
    assert render_error({"code": "agent_not_found", "details": [1]}, "en") == "Agent not found"


def test_an_error_of_somebody_else_is_told_as_its_family() -> None:
    class Unheard(InvocationError):
        code = "unheard"

    assert render_error(Unheard("secret"), "es") == "La llamada al contrato falló"


def test_an_unknown_code_is_told_by_name() -> None:
    assert render_error({"code": "unheard", "message": "secret"}, "es") == (
        "La ejecución falló (unheard)"
    )
    assert render_error({}, "en") == "The execution failed"


def test_what_strangers_wrote_is_cut_and_made_printable() -> None:
    reason = "a\n\x1b[31m\u202e\ud800{function}" + "b" * 1000
    text = render_error(CallReverted("", function="f", reason=reason), "en")
    assert text.isprintable()
    assert "{function}" in text
    assert text.endswith("b…")
    assert len(text) < MAX_DETAIL + 100


# --- failures ------------------------------------------------------------------------------------


def done(name: str, *, sent: bool = False, step: str = "") -> ActionResult:
    return ActionResult(name, {}, 1, True, step, transaction_hash=HASH if sent else None)


def failed(name: str, code: str = "call_reverted", *, sent: bool = False) -> ActionResult:
    return ActionResult(
        name,
        {},
        None,
        False,
        error={"code": code, "details": {"function": name, "reason": "paused"}},
        transaction_hash=HASH if sent else None,
    )


REVERTED = CallReverted("", function="burn", reason="paused")


def test_a_failure_before_any_action_is_the_error_alone() -> None:
    assert render_failure(REVERTED, (), None, "es") == (
        "El contrato revirtió la llamada a burn: paused"
    )


def test_a_failure_names_the_action_and_what_had_been_done() -> None:
    before = (done("approve", sent=True), done("mint", sent=True, step="pay"))
    assert render_failure(REVERTED, (*before, failed("burn")), 3, "es") == (
        "La acción 3 (burn) falló: El contrato revirtió la llamada a burn: paused. "
        f"2 de 3 acciones ya se ejecutaron (approve {HASH}, pay: mint {HASH}); "
        "no repita sin comprobar"
    )


@pytest.mark.parametrize(
    ("count", "planned", "told"),
    [
        (1, None, "1 action already ran (f)"),
        (2, None, "2 actions already ran (f, f)"),
        (1, 3, "1 of 3 actions already ran (f)"),
        (2, 3, "2 of 3 actions already ran (f, f)"),
        (2, 1, "2 actions already ran (f, f)"),
    ],
)
def test_the_number_of_planned_actions_is_told_where_it_is_known(
    count: int, planned: int | None, told: str
) -> None:
    text = render_failure({"code": "timed_out"}, [done("f")] * count, planned, "en")
    assert text == f"The execution ran out of time. {told}; do not repeat without checking"


def test_a_first_action_that_fails_without_a_transaction_needs_no_warning() -> None:
    assert render_failure(REVERTED, [failed("burn")], 1, "en") == (
        "Action 1 (burn) failed: The contract reverted the call of burn: paused"
    )


def test_a_failed_action_that_sent_a_transaction_is_told_with_its_hash_and_a_warning() -> None:
    assert render_failure(REVERTED, [failed("burn", sent=True)], 1, "en") == (
        f"Action 1 (burn {HASH}) failed: The contract reverted the call of burn: paused. "
        "do not repeat without checking"
    )


def test_an_earlier_failure_that_sent_a_transaction_is_told_too() -> None:
    results = [failed("f", sent=True), failed("g"), failed("burn")]
    assert render_failure(REVERTED, results, 3, "en") == (
        "Action 3 (burn) failed: The contract reverted the call of burn: paused. "
        f"sent without confirmed success: f {HASH}; do not repeat without checking"
    )


@pytest.mark.parametrize(
    "last", [done("f"), failed("f", "overloaded"), ActionResult("f", {}, None, False)]
)
def test_an_execution_that_did_not_fail_with_its_last_action_names_none(
    last: ActionResult,
) -> None:
    text = render_failure({"code": "timed_out"}, [last], None, "en")
    assert text.startswith("The execution ran out of time")
