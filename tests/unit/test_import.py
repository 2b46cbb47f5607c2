"""What `import zephyrus_exec` loads, and what it leaves for later."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import zephyrus_exec


def _loaded(code: str) -> set[str]:
    """Return the modules that this adds to a fresh interpreter's."""
    before, after = "before = set(sys.modules)", "print(json.dumps([*set(sys.modules) - before]))"
    run = subprocess.run(
        [sys.executable, "-c", f"import json, sys; {before}; {code}; {after}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(run.stdout))


def test_importing_the_package_loads_attrs_and_no_other_library() -> None:
    loaded = _loaded("import zephyrus_exec")
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert foreign == {"attr", "attrs", "zephyrus_exec"}
    ours = {name for name in loaded if name.startswith("zephyrus_exec")}
    assert ours == {"zephyrus_exec", "zephyrus_exec.errors", "zephyrus_exec.model"}


def test_importing_the_package_loads_nothing_heavy_of_pythons_own() -> None:
    assert not {"asyncio", "logging", "sqlite3", "ssl"} & _loaded("import zephyrus_exec")


def test_serving_loads_no_library_of_an_extra() -> None:
    loaded = _loaded(
        "from zephyrus_exec import MemoryStore, serve; import zephyrus_exec.transports.websocket"
    )
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    core = {"attr", "attrs", "cattr", "cattrs", "typing_extensions", "websockets", "zephyrus_exec"}
    assert foreign <= core


@pytest.mark.parametrize("name", zephyrus_exec.__all__)
def test_every_public_name_is_there_when_it_is_asked_for(name: str) -> None:
    found: Any = getattr(zephyrus_exec, name)
    assert found is getattr(zephyrus_exec, name)
    assert name in dir(zephyrus_exec)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchName"):
        _ = zephyrus_exec.NoSuchName
