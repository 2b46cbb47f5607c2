"""Signers whose key is in this process: from an encrypted file, or as it is for development."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, NoReturn

from eth_keyfile.keyfile import decode_keyfile_json
from eth_keys.datatypes import PrivateKey
from eth_utils.exceptions import ValidationError

from ..errors import ConfigurationError
from ..interfaces.signer import Signer
from . import restore_recursion_limit

restore_recursion_limit()

_VERSION: Final = 3
_NO_KEYSTORE: Final = "is no keystore of version 3; export it again from the wallet"
_KEY_BYTES: Final = 32
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1."""
_TURN: Final = Lock()
"""Held while a signature is computed: where Python does that, it does one at a time anyway, and
several threads at it would only leave less to the loop."""


class _LocalSigner(Signer):
    """Signs in a thread; the key is held by a function, where no repr and no pickle finds it."""

    def __init__(self, private_key: PrivateKey) -> None:
        self._address = private_key.public_key.to_checksum_address()
        self._sign = _signing(private_key)

    @property
    def address(self) -> str:
        """Checksummed address of the account."""
        return self._address

    async def sign(self, payload: bytes) -> bytes:
        """Return r, s and the parity of y over the Keccak-256 of `payload`; s is low."""
        return await asyncio.to_thread(self._sign, payload)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer cannot be copied or pickled: its key stays where it is")


class KeySigner(_LocalSigner):
    """Signs with a key given as text: for development, since the key stands somewhere in clear."""

    @classmethod
    def from_key(cls, key: str) -> KeySigner:
        """Return the signer of a private key.

        Args:
            key: 64 hexadecimal digits, `0x` before them or not.

        Raises:
            ConfigurationError: It is no private key; the message does not repeat it.
        """
        return cls(_private_key(_from_hex(key)))


class KeystoreSigner(_LocalSigner):
    """Signs with a key from an encrypted keystore file (Web3 Secret Storage, version 3)."""

    @classmethod
    async def open(cls, path: str | Path, *, password: str) -> KeystoreSigner:
        """Return the signer of a keystore file, decrypted in a thread: that takes seconds.

        Args:
            path: The file.
            password: What it was encrypted with.

        Raises:
            ConfigurationError: The file cannot be read, is no keystore, or the password is wrong.
        """
        return cls(await asyncio.to_thread(_decrypt, Path(path), password))


def _signing(private_key: PrivateKey) -> Callable[[bytes], bytes]:
    def sign(payload: bytes) -> bytes:
        with _TURN:
            signature: bytes = private_key.sign_msg(payload).to_bytes()  # r, s (low), parity
        return signature

    return sign


def _from_hex(key: str) -> bytes:
    digits = key.strip().removeprefix("0x")
    try:
        return bytes.fromhex(digits) if len(digits) == 2 * _KEY_BYTES else b""
    except ValueError:
        return b""


def _private_key(secret: bytes) -> PrivateKey:
    # Raised outside of any `except`, so that no exception holding the key is chained to it.
    if len(secret) != _KEY_BYTES or not 0 < int.from_bytes(secret, "big") < _ORDER:
        raise ConfigurationError(
            "this is no private key; give 64 hexadecimal digits, as the wallet exports them"
        )
    return PrivateKey(secret)


def _decrypt(path: Path, password: str) -> PrivateKey:
    secret, problem = b"", ""
    try:
        keystore = json.loads(path.read_text(encoding="utf-8"))
        if keystore["version"] == _VERSION:
            secret = decode_keyfile_json(keystore, password.encode())
        else:
            problem = _NO_KEYSTORE
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); check its path and permissions"
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError, MemoryError) as error:
        wrong = str(error) == "MAC mismatch"
        problem = (
            "does not open with this password; correct the password" if wrong else _NO_KEYSTORE
        )
    if problem:
        raise ConfigurationError(f"the keystore file {path.name} {problem}")
    return _private_key(secret)
