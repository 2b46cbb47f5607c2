"""Two agents' work as plain coroutines: all an agent needs to be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from ..errors import InvocationError
from ..interfaces.runner import RunContext, Runner
from ..model import Action, Json

READS: Final = 10
PAUSE: Final = 0.5
"""Seconds between two reads."""


def demo_runners() -> dict[str, Runner]:
    """Return the demo's runners, by the name its agents use."""
    return {"slow_reads": slow_reads, "greeting": greeting}


async def slow_reads(context: RunContext) -> Json:
    """Read the total supply ten times, slowly enough to watch.

    Raises:
        InvocationError: A read failed.
    """
    for number in range(1, READS + 1):
        if number > 1:
            await asyncio.sleep(PAUSE)
        if context.cancelled:
            break
        result = await context.invoke(Action("totalSupply", message=f"Lectura {number} de {READS}"))
        if not result.success:
            raise InvocationError(f"read {number} of {READS} failed: {result.error}")
    return None


async def greeting(context: RunContext) -> Json:
    """Greet whoever the input names (`{"name": "Ana"}`), and count the letters."""
    given = context.input.get("name") if isinstance(context.input, Mapping) else None
    name = given if isinstance(given, str) and given else "mundo"

    async def greet() -> Json:
        return f"Hola, {name}"

    async def count() -> Json:
        return sum(character.isalpha() for character in name)

    await context.action("greet", greet, parameters={"name": name}, message="Saludar")
    await context.action("count", count, parameters={"name": name}, message="Contar las letras")
    return None
