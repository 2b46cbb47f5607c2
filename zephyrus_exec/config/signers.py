"""Signers, from environment and file. Nothing here shows a key or a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .file import SignerTable
from .refusal import refuse
from .settings import KeySettings, KeystoreSettings, SignerSettings

_KEY: Final = "ZEPHYRUS_KEY_"
_KEYSTORE: Final = "ZEPHYRUS_KEYSTORE_"
_PASSWORD: Final = "ZEPHYRUS_KEYSTORE_PASSWORD_"  # noqa: S105 - the name of a variable
_FILE: Final = "_FILE"
_KINDS: Final = (_PASSWORD, _KEYSTORE, _KEY)
"""Longest first: each is looked for before what it begins with."""


def read_signers(
    environ: Mapping[str, str], name: str, tables: Mapping[str, SignerTable]
) -> dict[str, SignerSettings]:
    """Return the signers by name; what the environment says of one beats the file.

    Args:
        environ: Variables that are set to something.
        name: What the file is called in messages.
        tables: What the file says.

    Raises:
        ConfigurationError: Something is missing, wrong or cannot be read.
    """
    said = _said(environ)
    return {
        signer: _signer(signer, said.get(signer, {}), tables.get(signer, SignerTable()), name)
        for signer in sorted({*said, *tables})
    }


def _said(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what the environment says, by signer and then by kind of variable."""
    said: dict[str, dict[str, str]] = {}
    for variable, text in environ.items():
        kind = next((kind for kind in _KINDS if variable.startswith(kind)), None)
        if kind is None:
            continue
        rest = variable.removeprefix(kind)
        if kind == _PASSWORD and rest.removesuffix(_FILE) not in ("", rest):
            kind, rest = _PASSWORD + _FILE, rest.removesuffix(_FILE)
        if not re.fullmatch("[A-Za-z0-9_]+", rest):
            refuse(variable, "names no signer", f"write {kind}MAIN for the signer main")
        said.setdefault(rest.lower(), {})[kind] = text
    return said


def _signer(signer: str, said: Mapping[str, str], table: SignerTable, name: str) -> SignerSettings:
    upper = signer.upper()
    if _KEY in said:
        if _KEYSTORE in said:
            refuse(f"{_KEY}{upper}", f"{_KEYSTORE}{upper} is set too", "keep one of them")
        return KeySettings(_key(f"{_KEY}{upper}", said[_KEY]))
    source, text = f"{_KEYSTORE}{upper}", said.get(_KEYSTORE)
    if text is None:
        source, text = f"{name}: signers.{signer}.keystore", table.keystore
    if text is None:
        refuse(f"{_KEYSTORE}{upper}", "is not set", "write the path of the keystore file")
    path = Path(text).expanduser()
    if not path.is_file():
        refuse(source, f"there is no file {text!r}", "write the path of the keystore file")
    return KeystoreSettings(path, _password(signer, said, table, name))


def _key(source: str, text: str) -> str:
    digits = text.strip().removeprefix("0x").lower()
    if not re.fullmatch("[0-9a-f]{64}", digits) or not int(digits, 16):
        refuse(source, "holds no private key (value not shown)", "write 64 hex digits")
    return "0x" + digits


def _password(signer: str, said: Mapping[str, str], table: SignerTable, name: str) -> str:
    variable = _PASSWORD + signer.upper()
    if _PASSWORD in said:
        return said[_PASSWORD]
    if _PASSWORD + _FILE in said:
        return _password_in(variable + _FILE, said[_PASSWORD + _FILE])
    if table.password_file is not None:
        return _password_in(f"{name}: signers.{signer}.password_file", table.password_file)
    return refuse(variable, "is not set", f"set it, or {variable}{_FILE} to a file that holds it")


def _password_in(source: str, path: str) -> str:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        refuse(source, f"{path!r} cannot be read: {error.strerror}", "name a readable file")
    except UnicodeDecodeError:
        refuse(source, f"{path!r} is no UTF-8 text", "write the password as UTF-8 text")
    return text.rstrip("\r\n")
