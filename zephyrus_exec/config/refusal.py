"""How every wrong setting is told."""

from __future__ import annotations

from typing import NoReturn

from ..errors import ConfigurationError


def refuse(source: str, problem: str, remedy: str) -> NoReturn:
    """Say in one line what is wrong with a setting.

    Args:
        source: The flag, variable or key, for example `WS_PORT` or `zephyrus.toml: port`.
        problem: What is wrong; shows the value unless it may be secret.
        remedy: What to write.

    Raises:
        ConfigurationError: Always. Details: `source`.
    """
    raise ConfigurationError(f"{source}: {problem}; {remedy}", source=source)
