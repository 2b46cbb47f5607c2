"""What a terminal says of executions, in Spanish."""

from __future__ import annotations

from typing import Final

from .words import Words

SPANISH: Final = Words(
    language="es",
    accepted="aceptada: agente {agent}, ejecución {execution}",
    started="en marcha",
    taken_over="otro proceso del servidor la continúa",
    planned="plan: {actions}",
    planned_nothing="plan: nada más",
    action_started="{step}({arguments})",
    effect_signed="{step}: transacción {transaction}, cadena {chain}, nonce {nonce}",
    action_done="{step}: {result}",
    action_failed="{step} falló: {error}",
    progress="avance: {data}",
    cancel_requested="{principal} pidió terminarla",
    cancel_requested_why="{principal} pidió terminarla: {reason}",
    effect="{step}: transacción {transaction}: {what}",
    done="hecho",
    block="bloque {number}",
    gas="gas {amount}",
    running="en marcha",
    effects={
        "signed": "enviada",
        "bumped": "enviada de nuevo, con una comisión mayor",
        "mined": "en el bloque {block}",
        "finalized": "definitiva, en el bloque {block}",
        "reorged": "su bloque fue sustituido; enviada de nuevo",
        "nonce_used": "su nonce está usado; se busca por quién",
        "nonce_free": "su nonce vuelve a estar libre",
        "cancelling": "se está anulando",
        "cancelled": "anulada: no ocurrió",
        "displaced": "desplazada por otra transacción: no ocurrió",
        "in_doubt": "en duda",
        "resolved": "en duda, y decidida por una persona",
    },
    reverted="revertida en el bloque {block}: no ocurrió",
    statuses={"queued": "en cola", "running": "en marcha", "completed": "terminada"},
    outcomes={
        "succeeded": "terminada con éxito",
        "failed": "fallida",
        "cancelled": "cancelada",
        "timed_out": "fuera de plazo",
        "interrupted": "interrumpida",
        "in_doubt": "en duda",
    },
    dispositions={
        "requested": "se le pidió terminar; lo firmado no se puede retirar. Su último evento dirá "
        "qué resultó",
        "already_terminal": "ya había terminado; no se cambió nada",
        "not_cancellable": "ahora no se puede terminar; continúa",
    },
    request_left="su registro guarda la petición de terminarla: el servidor que la ejecuta la "
    "encuentra en un segundo, o si no el próximo que abra el registro",
    ended="{outcome}: agente {agent}, {done}",
    ended_why="{outcome}: agente {agent}, {done}: {error}",
    none_done="no se hizo nada",
    one_done="1 acción hecha",
    some_done="{count} acciones hechas",
    counts="efectos al terminar: {counts}",
    counted={
        "mined": "{count} en un bloque",
        "finalized": "{count} definitivos",
        "reverted": "{count} revertidos",
        "pending": "{count} aún fuera de un bloque",
        "displaced": "{count} desplazados",
        "in_doubt": "{count} en duda",
    },
    look_first="ahora: una parte se hizo, o pudo hacerse; compruébelo antes de volver a pedirla",
    look_in_doubt="ahora: nadie puede ver si {transaction} ocurrió; no la vuelva a pedir antes de "
    "saberlo. Quien opera el servidor lo mira con effects show {transaction}, y dice lo que es "
    "cierto con effects resolve",
    still_pending="ahora: el servidor continúa con lo que aún no está en un bloque: {command}",
    cancelling="se le pidió terminar",
    lost="conexión perdida, nuevo intento en {seconds} s",
    lost_why="conexión perdida ({reason}), nuevo intento en {seconds} s",
    connected="conectado de nuevo",
    left="la ejecución continúa; para volver a ella: {watch}; para terminarla: {cancel}",
    left_unknown="no se sabe si la ejecución comenzó; para obtenerla, o la que comenzó: {command}",
    left_v1="la ejecución continúa, si comenzó; este servidor no dice identificadores: mire allí "
    "executions list antes de volver a pedirla",
    step_columns=("", "paso", "estado", "transacción", "tardó"),
    earlier="… {count} anteriores",
    list_columns=("ejecución", "agente", "situación", "creada (UTC)"),
)
