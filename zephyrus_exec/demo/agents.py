"""The demo's agents, with fixed ids. Their texts are Spanish, as the server's are by default."""

from __future__ import annotations

from typing import Final

from ..model import (
    Agent,
    AgentFunction,
    Component,
    Contract,
    FunctionParameter,
    FunctionType,
    Json,
    Rules,
)

MINTING_AGENT: Final = "8191feef-546d-46a8-a26f-b92073882f5c"
"""Reads a balance, then mints: two actions, both succeed."""
IDLE_AGENT: Final = "00000000-0000-4000-8000-000000000001"
"""Has nothing to do."""
REVERTING_AGENT: Final = "00000000-0000-4000-8000-000000000002"
"""Its call reverts."""
LOST_AGENT: Final = "00000000-0000-4000-8000-000000000003"
"""Its contract does not exist."""
PATIENT_AGENT: Final = "00000000-0000-4000-8000-000000000004"
"""Reads ten times, about half a second apart."""
PLAIN_AGENT: Final = "00000000-0000-4000-8000-000000000005"
"""A plain coroutine, without contract and chain."""

SIGNER: Final = "demo"
"""Name of the signer the agents name."""
MINTED: Final = 25 * 10**18
"""How much the minting agent mints, in the token's smallest unit."""

_MISSING_CONTRACT: Final = "00000000-0000-4000-8000-00000000dead"
_BALANCE_OF: Final = AgentFunction("balanceOf", "balanceOf(address)")
_TOTAL_SUPPLY: Final = AgentFunction("totalSupply", "totalSupply()")
_ALWAYS_REVERTS: Final = AgentFunction("alwaysReverts", "alwaysReverts()", type=FunctionType.WRITE)
_MINT: Final = AgentFunction(
    "mint",
    "mint(address,uint256)",
    type=FunctionType.WRITE,
    parameters=(FunctionParameter("amount", Rules(minimum=1, maximum=1000 * 10**18)),),
)


def demo_agents(token: Contract, *, holder: str) -> tuple[Agent, ...]:
    """Return the demo's agents.

    Args:
        token: The deployed token.
        holder: Address whose balance the minting agent reads and raises.
    """
    return (
        Agent(
            id=MINTING_AGENT,
            name="Acuñador",
            description="Lee el saldo de una cuenta y después le acuña 25 fichas.",
            contract_id=token.id,
            planner=_steps(
                _step("balanceOf", "Saldo antes de acuñar", account=holder),
                _step("mint", "Acuñar 25 fichas", to=holder, amount=str(MINTED)),
            ),
            functions=(_BALANCE_OF, _MINT),
            signer=SIGNER,
        ),
        Agent(
            id=IDLE_AGENT,
            name="Ocioso",
            description="No tiene nada que hacer.",
            planner=_steps(),
            max_concurrent=1000,
        ),
        Agent(
            id=REVERTING_AGENT,
            name="Rechazado",
            description="El contrato rechaza siempre su llamada.",
            contract_id=token.id,
            planner=_steps(_step("alwaysReverts", "Llamar a una función que siempre falla")),
            functions=(_ALWAYS_REVERTS,),
            signer=SIGNER,
        ),
        Agent(
            id=LOST_AGENT,
            name="Perdido",
            description="Su contrato no existe.",
            contract_id=_MISSING_CONTRACT,
            planner=_steps(_step("totalSupply", "Leer el total emitido")),
            functions=(_TOTAL_SUPPLY,),
        ),
        Agent(
            id=PATIENT_AGENT,
            name="Paciente",
            description="Lee diez veces, cada medio segundo: para mirar cómo avanza.",
            contract_id=token.id,
            runner=Component("slow_reads"),
            functions=(_TOTAL_SUPPLY,),
        ),
        Agent(
            id=PLAIN_AGENT,
            name="Sencillo",
            description="Una corrutina cualquiera, sin contrato ni cadena.",
            runner=Component("greeting"),
        ),
    )


def _steps(*steps: dict[str, Json]) -> Component:
    return Component("steps", {"steps": steps})


def _step(function: str, message: str, **parameters: Json) -> dict[str, Json]:
    return {"function": function, "parameters": parameters, "message": message}
