"""What the settings file says of limits is what the engine goes by."""

from __future__ import annotations

from pathlib import Path

from zephyrus_exec.cli.composition import make_engine, open_parts
from zephyrus_exec.config import load_settings
from zephyrus_exec.stores.memory import MemoryStore


async def test_how_long_keys_are_known_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "zephyrus.toml"
    for text, seconds in (("", 3600), ("[limits]\nidempotency_key_retention = 60", 60)):
        file.write_text(text, encoding="utf-8")
        settings = load_settings({}, {}, file)
        async with open_parts(settings, demo=False) as parts:
            assert make_engine(parts, MemoryStore(), settings).key_retention == seconds
