"""An execution as lines of text."""

from __future__ import annotations

import pytest

from zephyrus_exec.cli.lines import advice_for, counts_of, line_of
from zephyrus_exec.cli.timeline import Timeline
from zephyrus_exec.cli.words import words
from zephyrus_exec.model import EventKind, Json, Outcome
from zephyrus_exec.protocol.v2.messages import CompletedData, ErrorInfo
from zephyrus_exec.protocol.wording import Language

from .executions import (
    HASH,
    completed,
    effect_event,
    event,
    finished,
    lines_of,
    recorded,
    signed,
    started,
    timeline_of,
)

AMOUNT = "amount = 25000000000000000000"
HOLDER = "account = 0x70997970…17dc79C8"
MINT = "0x73ce55af1b5824d09166b1f3a4378b71581e3f8c57a004040d3df58de37adb65"


def test_a_recorded_execution_is_a_line_for_each_event() -> None:
    lines = lines_of(recorded("mints"))
    execution = lines[0].split()[-1]
    assert [line.rpartition(", 0.")[0] or line for line in lines] == [
        f"   1  accepted: agent 8191feef-546d-46a8-a26f-b92073882f5c, execution {execution}",
        "   2  started",
        "   3  planned: balanceOf, mint",
        f"   4  1.1 balanceOf({HOLDER}) – Saldo antes de acuñar",
        "   5  1.1 balanceOf: 0 (block 1",
        f"   6  1.2 mint(to = 0x70997970…17dc79C8, {AMOUNT}) – Acuñar 25 fichas",
        f"   7  1.2 mint: transaction {MINT}, chain 1337, nonce 1",
        "   8  1.2 mint: done (block 2, gas 68457",
        "   9  succeeded: agent 8191feef-546d-46a8-a26f-b92073882f5c, 2 actions done",
        f"      1.2 mint: transaction {MINT}: sent",
        f"      1.2 mint: transaction {MINT}: in block 2",
        f"      1.2 mint: transaction {MINT}: final, in block 2",
    ]


def test_the_same_in_spanish() -> None:
    lines = lines_of(recorded("mints"), "es")
    execution = lines[0].split()[-1]
    assert [line.rpartition(", 0.")[0] or line for line in lines] == [
        f"   1  aceptada: agente 8191feef-546d-46a8-a26f-b92073882f5c, ejecución {execution}",
        "   2  en marcha",
        "   3  plan: balanceOf, mint",
        f"   4  1.1 balanceOf({HOLDER}) – Saldo antes de acuñar",
        "   5  1.1 balanceOf: 0 (bloque 1",
        f"   6  1.2 mint(to = 0x70997970…17dc79C8, {AMOUNT}) – Acuñar 25 fichas",
        f"   7  1.2 mint: transacción {MINT}, cadena 1337, nonce 1",
        "   8  1.2 mint: hecho (bloque 2, gas 68457",
        "   9  terminada con éxito: agente 8191feef-546d-46a8-a26f-b92073882f5c, 2 acciones hechas",
        f"      1.2 mint: transacción {MINT}: enviada",
        f"      1.2 mint: transacción {MINT}: en el bloque 2",
        f"      1.2 mint: transacción {MINT}: definitiva, en el bloque 2",
    ]


def test_a_failure_is_told_in_the_readers_language_and_not_in_the_servers() -> None:
    english, spanish = lines_of(recorded("reverts")), lines_of(recorded("reverts"), "es")
    said = "The contract reverted the call of alwaysReverts(): this function always reverts"
    assert english[4] == f"   5  1.1 alwaysReverts failed: {said}"
    assert english[5].endswith(f"nothing was done: {said}")
    dicho = "El contrato revirtió la llamada a alwaysReverts(): this function always reverts"
    assert spanish[4] == f"   5  1.1 alwaysReverts falló: {dicho}"
    assert spanish[5].endswith(f"no se hizo nada: {dicho}")


def test_an_agent_without_cycles_numbers_its_steps_through() -> None:
    lines = lines_of(recorded("greets"))
    assert lines[2].startswith("   3  1 greet(name = mundo) – Saludar")
    assert lines[5].startswith("   6  2 count: 5 (")


def test_an_execution_without_steps_says_that_nothing_was_done() -> None:
    *_, planned, last = lines_of(recorded("idles"))
    assert planned == "   3  planned: nothing more"
    assert last.endswith(", nothing was done")


def test_a_line_says_when() -> None:
    line = line_of(event(12, EventKind.STARTED), None, words("en"))
    assert line == "  12  2026-11-27 08:45:26  started"


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        (EventKind.TAKEN_OVER, {"owner": "b"}, "another process of the server goes on with it"),
        (EventKind.PROGRESS, {"done": 3}, 'progress: {"done":3}'),
        (EventKind.CANCEL_REQUESTED, {"principal": "ana", "reason": ""}, "ana asked it to end"),
        (
            EventKind.CANCEL_REQUESTED,
            {"principal": "ana", "reason": "a typo"},
            "ana asked it to end: a typo",
        ),
        (EventKind.PLANNED, {"actions": ["odd"]}, "planned: odd"),
        ("approval_requested", {"by": 3}, 'approval_requested: {"by":3}'),
    ],
)
def test_every_kind_of_event_is_a_line_also_one_that_is_not_known(
    kind: str, data: dict[str, Json], said: str
) -> None:
    assert lines_of([event(1, kind, **data)]) == [f"   1  {said}"]


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("bumped", {"transaction_hash": HASH}, "sent again, at a higher fee"),
        ("mined", {"success": False, "block_number": 5}, "reverted in block 5: it did not happen"),
        ("finalized", {"success": True, "block_number": 5}, "final, in block 5"),
        ("reorged", {"block_number": 5}, "its block was replaced; sent again"),
        ("displaced", {"consumer": "0x1"}, "displaced by another transaction: it did not happen"),
        ("approved", {}, "approved"),
    ],
)
def test_everything_that_happens_to_an_effect_is_a_line(
    kind: str, data: dict[str, Json], said: str
) -> None:
    *_, line = lines_of([started(4), signed(5), effect_event(2, kind, **data)])
    assert line == f"      1.1 pay: transaction {HASH}: {said}"


def test_an_effect_whose_step_is_not_known_is_told_by_its_key() -> None:
    assert lines_of([effect_event(2, "mined", block_number=1)]) == ["      01a2:1:1: mined"]


STEERING = "a\x1b]0;title\x07\x1b[2J\u202e\nb [red]"


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_server_cannot_steer_the_terminal_nor_add_a_line(language: Language) -> None:
    error: dict[str, Json] = {"code": STEERING, "message": STEERING}
    shown = lines_of(
        [
            event(1, EventKind.ACCEPTED, agent_id=STEERING),
            event(2, EventKind.PLANNED, actions=[{"function": STEERING}]),
            event(3, EventKind.ACTION_STARTED, function_name=STEERING, parameters={STEERING: "x"}),
            event(4, EventKind.EFFECT_SIGNED, effect_key="k", transaction_hash=STEERING),
            finished(5, step=2, function_name=STEERING, result=STEERING, block_number=STEERING),
            finished(6, step=3, function_name=STEERING, success=False, error=error),
            event(7, EventKind.PROGRESS, **{STEERING: STEERING}),
            event(8, EventKind.CANCEL_REQUESTED, principal=STEERING, reason=STEERING),
            event(9, STEERING),
            effect_event(1, STEERING, block_number=STEERING),
            completed(10, Outcome.FAILED, text=STEERING),
        ],
        language,
    )
    assert all(line.isprintable() for line in shown), shown
    assert sum("]0;title" in line for line in shown) == len(shown)


def test_what_is_long_is_cut() -> None:
    (line,) = lines_of([event(1, EventKind.PROGRESS, text="x" * 10_000)])
    assert len(line) < 400
    assert line.endswith("…")


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_outcome_has_a_word(outcome: Outcome, language: Language) -> None:
    (line,) = lines_of([completed(9, outcome)], language)
    assert line.startswith(f"   9  {words(language).outcomes[outcome]}: ")


def test_a_code_without_a_text_here_is_told_in_the_servers_words() -> None:
    error = ErrorInfo("brand_new", "for developers", retryable=False)
    (line,) = lines_of([completed(9, Outcome.FAILED, error=error, text="algo nuevo")])
    assert line.endswith(": algo nuevo")


def end_data(outcome: Outcome, **effects: int) -> CompletedData:
    return completed(9, outcome, effects=effects).data


def test_effects_are_counted_by_how_they_stood() -> None:
    data = end_data(Outcome.SUCCEEDED, mined=1, pending=2)
    assert counts_of(data, words("en")) == (
        "effects when it ended: 1 in a block, 2 not in a block yet"
    )
    assert counts_of(end_data(Outcome.SUCCEEDED), words("en")) == ""


def advice(timeline: Timeline) -> list[str]:
    return list(advice_for(timeline, words("en"), watch="watch 01a2 --until-final"))


DONE: dict[str, Json] = {"function_name": "pay", "success": True}
SENT: dict[str, Json] = {"function_name": "pay", "success": False, "transaction_hash": HASH}
REFUSED: dict[str, Json] = {"function_name": "pay", "success": False}


@pytest.mark.parametrize(
    ("outcome", "results", "advised"),
    [
        (Outcome.SUCCEEDED, (DONE,), False),
        (Outcome.FAILED, (), False),
        (Outcome.FAILED, (REFUSED,), False),
        (Outcome.FAILED, (DONE, REFUSED), True),
        (Outcome.TIMED_OUT, (SENT,), True),
    ],
)
def test_nobody_is_tempted_to_repeat_what_may_have_been_done(
    outcome: Outcome, results: tuple[dict[str, Json], ...], advised: bool
) -> None:
    told = advice(timeline_of([completed(9, outcome, results=results)]))
    assert told == [words("en").look_first] * advised


def test_what_is_in_doubt_is_named_with_the_commands_that_look_at_it() -> None:
    error: dict[str, Json] = {"code": "in_doubt"}
    doubtful = finished(6, success=False, error=error)
    end = completed(9, Outcome.IN_DOUBT, effects={"in_doubt": 1})
    told = advice(timeline_of([started(4), signed(5), doubtful, end]))
    assert [HASH in line for line in told] == [True, False]
    assert f"effects show {HASH}" in told[0]
    assert told[1] == words("en").look_first


def test_a_step_in_doubt_without_a_transaction_is_no_reason_to_repeat_either() -> None:
    doubtful = finished(6, success=False, error={"code": "action_in_doubt"})
    told = advice(timeline_of([doubtful, completed(9, Outcome.IN_DOUBT)]))
    assert told == [words("en").look_first]


def test_what_is_pending_is_told_with_the_command_that_waits_for_it() -> None:
    (told,) = advice(timeline_of([completed(9, effects={"pending": 1})]))
    assert told.endswith(": watch 01a2 --until-final")
