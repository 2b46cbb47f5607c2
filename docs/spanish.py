"""What the generated parts of the Spanish pages say beyond the texts that clients get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REJECTIONS: Final[Mapping[str, str]] = {
    "invalid_json": "no es un objeto JSON, o supera un límite",
    "type_required": "falta `type`, o no es una cadena",
    "agent_id_required": "no hay identificador de agente, o no tiene de 1 a 256 caracteres",
}
"""When a message is rejected, by the name of its text."""

MEANINGS: Final[Mapping[str, str]] = {
    "configuration": "Un ajuste falta o es incorrecto; el mensaje lo nombra y dice qué escribir.",
    "missing_extra": "Una parte opcional no está instalada; el mensaje contiene la orden exacta"
    " para instalarla.",
    "invalid_value": "Un valor compuesto (agente, contrato, ajustes) incumple su esquema. Detalles:"
    " `field` (una ruta como `$.functions[0].type`), `problem`, `remedy`.",
    "protocol": "Se incumplió una regla del protocolo.",
    "local_protocol": "Nuestro lado pidió a una conexión algo que su estado prohíbe: es un fallo"
    " nuestro.",
    "remote_protocol": "El otro extremo envió algo que el protocolo prohíbe.",
    "invalid_json": "Un mensaje no es un objeto JSON: sintaxis errónea, NaN, claves repetidas,"
    " sustitutos sueltos o UTF-8 incorrecto.",
    "too_large": "Un mensaje supera el límite de tamaño o de profundidad; no se descodificó.",
    "unknown_type": "No conocemos el `type` de un mensaje. Detalles: `type`.",
    "invalid_request": "A un mensaje le falta un campo o tiene uno incorrecto: el mensaje del error"
    " es `problema @ $.ruta`.",
    "unexpected_message": "Llegó un mensaje válido en un estado que no lo admite.",
    "not_supported": "El servidor solo habla v1, que no puede decir eso; no se envió nada."
    " Detalles: `feature`.",
    "request_refused": "Un servidor rechazó una solicitud por un motivo para el que esta versión no"
    " tiene clase. Detalles: `refusal` (su código; ninguno si el servidor habla v1), `retry_after`"
    " (segundos) y los del motivo.",
    "duplicate_request": "El `request_id` es el de una solicitud que aún no tiene respuesta."
    " Detalles: `request_id`.",
    "unsupported_version": "El otro extremo no habla ninguna versión del protocolo que se hable"
    " aquí. Detalles: `supported`.",
    "transport": "El canal con el otro extremo ya no se puede usar.",
    "transport_closed_here": "Cerramos el canal nosotros. Detalles: `close_code`, `reason`.",
    "transport_closed_by_peer": "El otro extremo cerró el canal correctamente. Detalles:"
    " `close_code`, `reason`.",
    "transport_refused": "Se alcanzó al otro extremo, pero no abrió ningún canal. Detalles:"
    " `http_status`, si lo dio.",
    "transport_broken": "El canal terminó sin despedida: se reinició, quedó en silencio o llegaron"
    " tramas rotas.",
    "access": "Alguien no es quien tendría que ser.",
    "unauthenticated": "El otro extremo no presenta ninguna credencial, o ninguna que valga; no se"
    " dice cuál de las dos cosas.",
    "forbidden": "Alguien conocido no puede hacer eso.",
    "repository": "No se pudo obtener un agente o un contrato.",
    "invalid_definition": "Lo guardado de un agente o contrato no sirve: incumple su esquema o está"
    " dos veces. Detalles: `agent_id` o `contract_id`, si se conoce; `field`, `problem`, `remedy`.",
    "agent_not_found": "No existe ese agente, o quien lo pide no puede verlo. Detalles:"
    " `agent_id`.",
    "contract_not_found": "No existe ese contrato. Detalles: `contract_id`.",
    "repository_unavailable": "El repositorio no puede responder ahora.",
    "planner": "El planificador no dio una decisión utilizable.",
    "planner_not_configured": "El agente no nombra ningún planificador, o nombra uno que no está"
    " registrado. Detalles: `planner`, `known`.",
    "invalid_plan": "Los ajustes del planificador, o su respuesta, no sirven. Detalles: `field`.",
    "reference_not_found": "Un parámetro se refiere a un valor que no existe. Detalles:"
    " `reference`, `step`.",
    "invocation": "No se pudo llamar a una función del contrato, o la llamada no tuvo éxito.",
    "function_not_found": "El agente no tiene esa función, o falta en el ABI del contrato."
    " Detalles: `function`.",
    "function_disabled": "La función del agente está desactivada. Detalles: `function`.",
    "invalid_arguments": "Los argumentos no se ajustan al ABI. Detalles: `function`, `field`,"
    " `problem`.",
    "rule_violated": "Un argumento incumple una regla del agente. Detalles: `function`, `field`,"
    " `rule`, `problem`.",
    "call_reverted": "El contrato se negó; el mensaje contiene la razón, descodificada. Detalles:"
    " `function`, `reason`, `error_name` (`Error`, `Panic` o el nombre del error propio), `data`"
    " (`0x…`) y, si lo revertido fue una transacción incluida en un bloque, `transaction_hash`.",
    "transaction_rejected": "La transacción se rechazó antes de enviar nada. Detalles: `reason`.",
    "gas_limit_exceeded": "La estimación supera el límite de gas del agente. Detalles: `gas`,"
    " `gas_limit`.",
    "insufficient_funds": "La cuenta emisora no puede pagar el peor caso. Detalles: `balance_wei`,"
    " `needed_wei`, `sender`.",
    "lane_halted": "La cuenta emisora no admite transacciones nuevas. Detalles: `lane`, `reason`.",
    "effect_uncertain": "Todavía no se sabe qué fue de una transacción enviada. Detalles:"
    " `transaction_hash`, `state`.",
    "effect_conflict": "La clave del efecto ya pertenece a otra intención; no se envió nada. El"
    " código del agente, o aquello por lo que decidió, cambió después de registrarse la ejecución."
    " Detalles: `effect_key`.",
    "effect_cancelled": "La transacción se canceló de forma definitiva: la llamada no ocurrió ni"
    " ocurrirá. Detalles: `transaction_hash` (de la llamada), `cancel_hash`.",
    "displaced": "Otro usó el nonce de la transacción: la llamada no ocurrió ni ocurrirá. Detalles:"
    " `transaction_hash` (de la llamada), `consumer_hash`.",
    "in_doubt": "El nonce de la transacción se usó y nadie puede ver en qué: la llamada pudo"
    " ocurrir. Detalles: `transaction_hash`, `block_number` (donde se vio usado el nonce).",
    "operation_refused": "Un operador pidió algo que el estado del registro no permite. Detalles:"
    " `reason`.",
    "signer_not_configured": "El agente no nombra ningún firmante, o nombra uno que no está"
    " configurado. Detalles: `signer`.",
    "chain_not_configured": "No hay ninguna URL de RPC configurada para la cadena del contrato."
    " Detalles: `chain_id`.",
    "no_code_at_address": "No hay ningún contrato en esa dirección de esa cadena. Detalles:"
    " `address`, `chain_id`.",
    "unexpected_result": "Lo que devolvió el contrato no corresponde a su ABI. Detalles:"
    " `function`, `chain_id`.",
    "chain_unavailable": "No se puede llegar al nodo, o respondió algo sin sentido. Detalles:"
    " `chain_id`.",
    "store": "El registro no pudo hacer lo que se le pidió.",
    "store_conflict": "No se cumplía una condición de la escritura; no se escribió nada de ella."
    " Detalles: `what`.",
    "store_fenced": "La ejecución pertenece ahora a otro proceso; este no debe tocarla más.",
    "store_unavailable": "El registro no puede escribir o leer ahora (disco lleno, solo lectura,"
    " bloqueado); no se escribió nada.",
    "commit_unknown": "La escritura pudo hacerse o no: hay que volver a leer antes de seguir.",
    "store_too_new": "Una versión más nueva escribió el registro. Detalles: `found`, `supported`.",
    "execution": "Una ejecución no se aceptó, o no terminó bien.",
    "execution_not_found": "No existe esa ejecución, o quien la pide no puede verla. Detalles:"
    " `execution_id`.",
    "execution_lost": "El registro termina antes de lo que ya se vio de él: se perdieron eventos,"
    " como al restaurar una copia de seguridad. Detalles: `stream`, `head_seq` (número de su último"
    " evento).",
    "effect_not_found": "No existe ese efecto, o quien lo pide no puede verlo. Detalles:"
    " `effect_key`.",
    "idempotency_conflict": "La clave de idempotencia se dio antes con otro agente u otra entrada;"
    " no se ejecutó nada. Detalles: `execution_id` (lo que se ejecutó entonces).",
    "outcome_unknown": "Ya no se puede saber si la solicitud se ejecutó antes; ahora no se ejecutó."
    " Detalles: `reason` (`epoch`: el registro pudo perder eventos desde entonces; `expired`: la"
    " clave es más antigua que el tiempo que se conservan; `forgotten`: se ejecutó, y se olvidó"
    " cómo terminó).",
    "agent_stopped": "El estado del agente es `stopped`. Detalles: `agent_id`.",
    "agent_busy": "El agente se está ejecutando y no admite otra ejecución a la vez. Detalles:"
    " `agent_id`.",
    "overloaded": "La cola, que es limitada, está llena; no se ejecutó nada.",
    "rate_limited": "Las solicitudes llegan demasiado deprisa; no se ejecutó nada. Detalles:"
    " `retry_after`, en segundos.",
    "draining": "El servicio se está deteniendo y no acepta trabajo nuevo.",
    "timed_out": "Venció el plazo de la ejecución.",
    "cancelled": "Alguien pidió que terminara. Detalles: `reason`.",
    "interrupted": "El proceso que la llevaba ya no existe y nadie puede continuarla. Detalles:"
    " `reason`.",
    "released": "Este proceso se detiene; la ejecución sigue en el próximo que abra su registro.",
    "replay_mismatch": "Un ejecutor pide pasos distintos de los registrados: su código cambió desde"
    " entonces. Detalles: `asked`, `journaled` (lo siguiente que hay en el registro, si hay algo).",
    "action_in_doubt": "El proceso terminó durante una acción que no debe ocurrir dos veces; nadie"
    " sabe hasta dónde llegó. Detalles: `function`.",
    "cycle_limit_reached": "Al planificador le quedaba trabajo tras el último ciclo del agente."
    " Detalles: `max_cycles`.",
    "runner_not_configured": "El agente nombra un ejecutor que no está registrado. Detalles:"
    " `runner`, `known`.",
    "runner_failed": "El código del agente lanzó una excepción; el resto está en el log. Detalles:"
    " `incident`.",
    "not_running": "El motor, o la ejecución cuyo contexto se usó, ya no está en marcha.",
}
"""What each error means, by its code."""
