"""Cliente de ejemplo: pide la ejecución de un agente y muestra cómo avanza.

Uso:

    python examples/websocket_execution_client.py [AGENT_ID]

La variable WS_URL dice dónde está el servidor (por defecto ws://localhost:8765). Solo necesita la
biblioteca `websockets`. Termina con 0 si la ejecución tuvo éxito, 1 si no lo tuvo y 2 si no hubo
conexión o la orden está mal escrita.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

DEFAULT_AGENT_ID = "8191feef-546d-46a8-a26f-b92073882f5c"
DEFAULT_URL = "ws://localhost:8765"
MAX_REPLY_BYTES = 16 * 1024 * 1024

SUCCEEDED, FAILED, NOT_CONNECTED = 0, 1, 2


async def execute_agent(url: str, agent_id: str) -> int:
    """Pide una ejecución y devuelve el código de salida."""
    print(f"Conectando a {url} …")
    try:
        async with connect(url, max_size=MAX_REPLY_BYTES) as websocket:
            print(f"Conectado. Solicitando la ejecución del agente {agent_id} …")
            request = {"type": "websocket_execution", "agent_id": agent_id}
            await websocket.send(json.dumps(request))
            return await follow(websocket)
    except InvalidURI:
        return complain(f"{url} no es una dirección WebSocket; escriba ws://HOST:PUERTO")
    except InvalidStatus as error:
        return complain(f"el servidor rechazó la conexión (HTTP {error.response.status_code})")
    except ConnectionClosed as error:
        return complain(
            f"la conexión se cerró antes del final ({closing(error)}); "
            "la ejecución puede seguir en el servidor"
        )
    except TimeoutError:
        return complain(f"no hay respuesta de {url}")
    except (OSError, WebSocketException) as error:
        return complain(f"no se pudo conectar a {url}: {error}. ¿Está el servidor en marcha?")


async def follow(websocket: ClientConnection) -> int:
    """Muestra las respuestas hasta la última."""
    async for message in websocket:
        exit_code = show(json.loads(message))
        if exit_code is not None:
            return exit_code
    return complain("el servidor cerró la conexión sin decir cómo terminó la ejecución")


def show(response: dict[str, Any]) -> int | None:
    """Muestra una respuesta; devuelve el código de salida si era la última."""
    data = response.get("data") or {}
    if response.get("type") == "error":
        print(f"Solicitud rechazada: {data.get('message', 'error desconocido')}")
        return FAILED
    if response.get("type") != "execution_response":
        print(f"Respuesta desconocida, se pasa por alto: {response.get('type')}")
        return None
    if data.get("status") == "started":
        print(f"{data.get('message')}. Esperando los resultados …")
        return None
    if not data.get("success"):
        print(f"La ejecución falló: {data.get('error', 'error desconocido')}")
        return FAILED
    show_results(data)
    return SUCCEEDED


def show_results(data: dict[str, Any]) -> None:
    """Muestra lo que hizo el agente."""
    results = data.get("results") or []
    if not results:
        print(data.get("message", "No se ejecutó ninguna acción"))
        return
    actions = "1 acción" if len(results) == 1 else f"{len(results)} acciones"
    print(f"Ejecución completada: {actions}")
    for number, result in enumerate(results, start=1):
        print(f"  {number}. {result['function_name']}: {result.get('message', '')}")
        print(f"     parámetros: {json.dumps(result['parameters'], ensure_ascii=False)}")
        print(f"     resultado:  {json.dumps(result['result'], ensure_ascii=False)}")
        if "transaction_hash" in result:
            block, gas = result.get("block_number"), result.get("gas_used")
            print(f"     transacción en el bloque {block}, {gas} de gas")


def closing(error: ConnectionClosed) -> str:
    """Devuelve con qué se despidió el servidor."""
    if error.rcvd is None:
        return "sin despedida"
    return f"código {error.rcvd.code} {error.rcvd.reason}".rstrip()


def complain(problem: str) -> int:
    """Muestra un problema de conexión."""
    print(f"Error: {problem}", file=sys.stderr)
    return NOT_CONNECTED


def main(arguments: list[str]) -> int:
    """Ejecuta la orden y devuelve el código de salida."""
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        return complain("uso: websocket_execution_client.py [AGENT_ID]")
    agent_id = arguments[0] if arguments else DEFAULT_AGENT_ID
    try:
        return asyncio.run(execute_agent(os.environ.get("WS_URL") or DEFAULT_URL, agent_id))
    except KeyboardInterrupt:
        return complain("interrumpido; la ejecución puede seguir en el servidor")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
