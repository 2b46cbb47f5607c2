"""The Spanish texts. Those of v1 are frozen, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .wording import Texts

_ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "internal": ("Error interno (incidencia {incident})", "Error interno"),
    "configuration": ("La configuración del servicio no es válida",),
    "missing_extra": (
        "Falta un componente opcional en el servidor: {extra}",
        "Falta un componente opcional en el servidor",
    ),
    "invalid_value": (
        "Valor no válido en {field}: {problem}; {remedy}",
        "Valor no válido en {field}",
        "Valor no válido",
    ),
    "protocol": ("Error de protocolo",),
    "local_protocol": ("Error interno de protocolo",),
    "remote_protocol": ("El otro extremo no respeta el protocolo",),
    "invalid_json": ("Mensaje JSON no válido",),
    "too_large": ("Mensaje demasiado grande",),
    "unknown_type": ("Tipo de mensaje no reconocido: {type}", "Tipo de mensaje no reconocido"),
    "invalid_request": (
        "Solicitud no válida en {field}: {problem}; {remedy}",
        "Solicitud no válida en {field}",
        "Solicitud no válida",
    ),
    "unexpected_message": ("Mensaje inesperado en este momento",),
    "duplicate_request": (
        "La solicitud {request_id} aún no tiene respuesta; use otro request_id",
        "La solicitud anterior con ese request_id aún no tiene respuesta",
    ),
    "unsupported_version": (
        "Versión del protocolo no admitida; disponible: {supported}",
        "Versión del protocolo no admitida",
    ),
    "not_supported": (
        "El servidor solo habla el protocolo v1, que no tiene: {feature}",
        "El servidor solo habla el protocolo v1",
    ),
    "request_refused": (
        "El servidor rechazó la solicitud: {refusal}",
        "El servidor rechazó la solicitud",
    ),
    "transport": ("Error de conexión",),
    "transport_closed_here": ("El servidor cerró la conexión",),
    "transport_closed_by_peer": ("El otro extremo cerró la conexión",),
    "transport_refused": ("El servidor no aceptó la conexión",),
    "transport_broken": ("La conexión se interrumpió",),
    "access": ("Acceso no autorizado",),
    "unauthenticated": ("Se requiere una credencial válida",),
    "forbidden": ("Operación no permitida",),
    "repository": ("No se pudieron obtener los datos del agente",),
    "agent_not_found": ("Agente no encontrado: {agent_id}", "Agente no encontrado"),
    "contract_not_found": ("Contrato no encontrado: {contract_id}", "Contrato no encontrado"),
    "invalid_definition": (
        "El agente {agent_id} está mal definido en {field}: {problem}",
        "El contrato {contract_id} está mal definido en {field}: {problem}",
        "Los datos de un agente o contrato no son válidos",
    ),
    "repository_unavailable": (
        "El repositorio de agentes no está disponible; inténtelo más tarde",
    ),
    "planner": ("El planificador no dio una decisión utilizable",),
    "planner_not_configured": (
        "El planificador {planner} del agente no está registrado; disponibles: {known}",
        "El planificador {planner} del agente no está registrado",
        "El agente no tiene planificador; disponibles: {known}",
        "El agente no tiene planificador configurado",
    ),
    "invalid_plan": (
        "El plan del agente no es válido en {field}: {problem}",
        "El plan del agente no es válido en {field}",
        "El plan del agente no es válido",
    ),
    "reference_not_found": (
        "El paso {step} se refiere a un valor que no existe: {reference}",
        "Un parámetro se refiere a un valor que no existe: {reference}",
        "Un parámetro se refiere a un valor que no existe",
    ),
    "invocation": ("La llamada al contrato falló",),
    "function_not_found": ("Función no encontrada: {function}", "Función no encontrada"),
    "function_disabled": (
        "La función {function} está deshabilitada",
        "La función está deshabilitada",
    ),
    "invalid_arguments": (
        "Argumento no válido para {function} en {field}: {problem}",
        "Argumento no válido para {function} en {field}",
        "Argumentos no válidos para {function}",
        "Argumentos no válidos",
    ),
    "rule_violated": (
        "El argumento {field} de {function} incumple la regla {rule}: {problem}",
        "El argumento {field} de {function} incumple la regla {rule}",
        "El argumento {field} incumple una regla del agente",
        "Un argumento incumple una regla del agente",
    ),
    "call_reverted": (
        "El contrato revirtió la llamada a {function}: {reason}",
        "El contrato revirtió la llamada a {function} ({error_name})",
        "El contrato revirtió la llamada a {function}",
        "El contrato revirtió la llamada: {reason}",
        "El contrato revirtió la llamada",
    ),
    "transaction_rejected": (
        "La transacción fue rechazada antes de enviarse: {reason}",
        "La transacción fue rechazada antes de enviarse",
    ),
    "gas_limit_exceeded": (
        "La transacción necesita {gas} de gas y el límite del agente es {gas_limit}",
        "La transacción supera el límite de gas del agente",
    ),
    "insufficient_funds": (
        "Fondos insuficientes en {sender}: hay {balance_wei} wei y hacen falta {needed_wei}",
        "Fondos insuficientes en {sender}",
        "Fondos insuficientes",
    ),
    "lane_halted": (
        "La cuenta emisora no admite transacciones nuevas: {reason}",
        "La cuenta emisora no admite transacciones nuevas",
    ),
    "effect_uncertain": (
        "Aún no se sabe qué fue de la transacción {transaction_hash}",
        "Aún no se sabe qué fue de una transacción enviada",
    ),
    "effect_conflict": ("El paso ya consta en el diario como otra transacción; no se envió nada",),
    "effect_cancelled": (
        "La transacción {transaction_hash} se canceló: no se ejecutó",
        "La transacción se canceló: no se ejecutó",
    ),
    "displaced": (
        "La transacción {transaction_hash} no se ejecutó: otra usó su nonce ({consumer_hash})",
        "La transacción no se ejecutó: otra usó su nonce",
    ),
    "in_doubt": (
        "No se puede saber si la transacción {transaction_hash} se ejecutó;"
        " no la repita sin comprobar",
        "No se puede saber si una transacción se ejecutó; no la repita sin comprobar",
    ),
    "operation_refused": ("Ahora no es posible: {reason}", "Ahora no es posible"),
    "signer_not_configured": (
        "El firmante {signer} del agente no está configurado",
        "El agente no tiene firmante configurado",
    ),
    "chain_not_configured": (
        "La cadena {chain_id} no está configurada",
        "La cadena del contrato no está configurada",
    ),
    "no_code_at_address": (
        "No hay ningún contrato en {address} de la cadena {chain_id}",
        "No hay ningún contrato en {address}",
        "No hay ningún contrato en esa dirección",
    ),
    "unexpected_result": (
        "Lo que devolvió {function} no corresponde al ABI del contrato",
        "Lo que devolvió el contrato no corresponde a su ABI",
    ),
    "chain_unavailable": (
        "La cadena {chain_id} no está disponible; inténtelo más tarde",
        "La cadena no está disponible; inténtelo más tarde",
    ),
    "store": ("El registro de ejecuciones falló",),
    "store_conflict": ("El registro de ejecuciones cambió entretanto",),
    "store_fenced": ("Otro proceso se hizo cargo de la ejecución",),
    "store_unavailable": ("El registro de ejecuciones no está disponible; inténtelo más tarde",),
    "commit_unknown": ("No se sabe si el registro de ejecuciones guardó los datos",),
    "store_too_new": (
        "El registro de ejecuciones es de una versión más nueva ({found}; máximo {supported})",
        "El registro de ejecuciones es de una versión más nueva",
    ),
    "execution": ("La ejecución falló",),
    "execution_not_found": (
        "Ejecución no encontrada: {execution_id}",
        "Ejecución no encontrada",
    ),
    "execution_lost": (
        "Se perdieron eventos de {stream}",
        "Se perdieron eventos de la ejecución",
    ),
    "effect_not_found": ("Efecto no encontrado: {effect_key}", "Efecto no encontrado"),
    "idempotency_conflict": (
        "Esta clave de idempotencia pertenece a otra solicitud (ejecución {execution_id}); no se "
        "ejecutó nada",
        "Esta clave de idempotencia pertenece a otra solicitud; no se ejecutó nada",
    ),
    "outcome_unknown": ("Ya no se puede saber si esto se ejecutó antes; ahora no se ejecutó nada",),
    "agent_stopped": ("El agente {agent_id} está detenido", "El agente está detenido"),
    "agent_busy": (
        "El agente {agent_id} ya se está ejecutando",
        "El agente ya se está ejecutando",
    ),
    "overloaded": ("Servidor sobrecargado: no se ejecutó nada; inténtelo más tarde",),
    "rate_limited": (
        "Demasiadas solicitudes: no se ejecutó nada; inténtelo de nuevo en {retry_after} s",
        "Demasiadas solicitudes: no se ejecutó nada; inténtelo más tarde",
    ),
    "draining": ("El servidor se está deteniendo: no se ejecutó nada; inténtelo más tarde",),
    "timed_out": ("Se agotó el tiempo de la ejecución",),
    "cancelled": ("Ejecución cancelada: {reason}", "Ejecución cancelada"),
    "interrupted": (
        "Ejecución interrumpida: el servidor que la llevaba se detuvo antes de terminarla",
    ),
    "released": ("El servidor se está deteniendo: la ejecución sigue cuando vuelva a arrancar",),
    "replay_mismatch": (
        "Ejecución interrumpida: el código del agente cambió y ya no pide {journaled}",
        "Ejecución interrumpida: el código del agente cambió y ya no sigue los pasos registrados",
    ),
    "action_in_doubt": (
        "El servidor se detuvo durante {function} y no se sabe si se ejecutó;"
        " no la repita sin comprobar",
        "El servidor se detuvo durante una acción y no se sabe si se ejecutó;"
        " no la repita sin comprobar",
    ),
    "cycle_limit_reached": (
        "El agente seguía con trabajo pendiente tras {max_cycles} ciclos",
        "El agente agotó sus ciclos con trabajo pendiente",
    ),
    "runner_not_configured": (
        "El ejecutor {runner} del agente no está registrado; disponibles: {known}",
        "El ejecutor {runner} del agente no está registrado",
        "El ejecutor del agente no está registrado",
    ),
    "not_running": ("La ejecución ya no está en curso",),
    "runner_failed": (
        "El agente falló por un error interno (incidencia {incident})",
        "El agente falló por un error interno",
    ),
}

SPANISH: Final = Texts(
    started="Iniciando ejecución del agente ",
    nothing_done="No se ejecutó ninguna acción durante el ciclo",
    invalid_json="Mensaje JSON no válido",
    type_required="Se requiere el campo type",
    agent_id_required="Se requiere agent_id para la ejecución",
    unknown_type="Tipo de mensaje no reconocido: ",
    action_failed="La acción {number} ({action}) falló: {error}",
    one_ran="1 acción ya se ejecutó ({actions})",
    some_ran="{count} acciones ya se ejecutaron ({actions})",
    one_of_ran="1 de {total} acciones ya se ejecutó ({actions})",
    some_of_ran="{count} de {total} acciones ya se ejecutaron ({actions})",
    without_success="enviadas sin éxito confirmado: {actions}",
    do_not_repeat="no repita sin comprobar",
    errors=_ERRORS,
    unknown_error=("La ejecución falló ({code})", "La ejecución falló"),
)
