"""What importing does, and does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zephyrus_exec import evm
from zephyrus_exec.errors import MissingExtra


def _prints(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_package_is_light_until_a_name_is_used() -> None:
    code = (
        "import sys, zephyrus_exec.evm; print([n for n in ('web3', 'eth_abi') if n in sys.modules])"
    )
    assert _prints(code) == "[]"


@pytest.mark.parametrize("module", ["chain", "signers"])
def test_the_recursion_limit_is_as_it_was(module: str) -> None:
    code = (
        "import sys; before = sys.getrecursionlimit();"
        f"import zephyrus_exec.evm.{module}; print(sys.getrecursionlimit() == before)"
    )
    assert _prints(code) == "True"


def test_a_missing_package_is_told_with_its_install_line() -> None:
    with pytest.raises(MissingExtra, match=r'pip install "zephyrus-exec\[evm\]"') as caught:
        evm.require_packages("evm", "attrs", "no_such_package_anywhere")
    assert caught.value.details == {"extra": "evm", "package": "no_such_package_anywhere"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchChain"):
        _ = evm.NoSuchChain
