"""Signers sign, and tell nothing else."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
import traceback
from importlib.util import find_spec
from pathlib import Path

import pytest
from eth_account import Account
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.backends.native.main import NativeECCBackend
from eth_keys.datatypes import Signature
from eth_keys.main import KeyAPI
from eth_utils.crypto import keccak

from tests.anvil import KEYS, skip_or_fail
from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.evm import KeySigner, KeystoreSigner

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PASSWORD = "correct horse battery staple"
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("secret-folder") / "wallet.json"
    path.write_text(
        json.dumps(
            Account.encrypt(bytes.fromhex(KEYS[0][2:]), PASSWORD, kdf="scrypt", iterations=2)
        )
    )
    return path


@pytest.mark.parametrize("key", [KEYS[0], KEYS[0][2:], f"  {KEYS[0].upper()[2:]}\n"])
def test_a_key_gives_its_address(key: str) -> None:
    assert KeySigner.from_key(key).address == ADDRESS


async def test_a_signature_is_65_bytes_with_a_low_s_and_recovers_to_the_address() -> None:
    signer = KeySigner.from_key(KEYS[0])
    for number in range(8):
        payload = f"payload {number}".encode()
        signature = await signer.sign(payload)
        assert len(signature) == 65
        assert signature[64] in (0, 1)
        assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER
        recovered = Signature(signature).recover_public_key_from_msg(payload)
        assert recovered.to_checksum_address() == ADDRESS


def test_signatures_are_the_same_whoever_computes_them() -> None:
    """`eth-keys` uses coincurve where it is installed."""
    if find_spec("coincurve") is None:
        skip_or_fail("coincurve is missing: install the extra fast, on Python up to 3.13")
    native, quick = KeyAPI(NativeECCBackend()), KeyAPI(CoinCurveECCBackend())
    secret = bytes.fromhex(KEYS[0][2:])
    for number in range(8):
        payload = f"payload {number}".encode()
        signature = native.PrivateKey(secret, native.backend).sign_msg(payload)
        assert quick.PrivateKey(secret, quick.backend).sign_msg(payload) == signature
        recovered = quick.ecdsa_recover(keccak(payload), signature)
        assert recovered.to_checksum_address() == ADDRESS


async def test_a_keystore_file_opens_with_its_password(keystore: Path) -> None:
    signer = await KeystoreSigner.open(keystore, password=PASSWORD)
    assert signer.address == ADDRESS
    assert await signer.sign(b"x") == await KeySigner.from_key(KEYS[0]).sign(b"x")


async def test_signing_does_not_hold_the_loop() -> None:
    threads: set[int] = set()
    signer = KeySigner.from_key(KEYS[0])
    sign = signer._sign

    def observed(payload: bytes) -> bytes:
        threads.add(threading.get_ident())
        return sign(payload)

    signer._sign = observed
    await asyncio.gather(*(signer.sign(b"x") for _ in range(3)))
    assert threading.get_ident() not in threads


@pytest.mark.parametrize(
    "key", ["", "0x", "abc", "zz" * 32, "00" * 32, "ff" * 32, KEYS[0] + "00", "é" * 64]
)
def test_what_is_no_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        KeySigner.from_key(key)
    told = "".join(traceback.format_exception(caught.value))
    assert len(key) < 4 or key not in told
    assert caught.value.__context__ is None


async def test_a_wrong_password_is_told_without_password_folder_or_key(keystore: Path) -> None:
    with pytest.raises(ConfigurationError, match="password") as caught:
        await KeystoreSigner.open(keystore, password="wrong-" + PASSWORD)
    told = "".join(traceback.format_exception(caught.value, chain=True))
    assert "wrong-" not in str(caught.value)
    assert "secret-folder" not in str(caught.value)
    assert KEYS[0][2:] not in told


async def test_a_missing_file_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.json cannot be read"):
        await KeystoreSigner.open("/no/such/folder/nowhere.json", password="x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"version": 1}',
        '{"version": 4}',
        '{"version": 3}',
        '{"version": 3, "crypto": {}}',
    ],
)
async def test_a_file_that_is_no_keystore_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wallet.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is no keystore of version 3"):
        await KeystoreSigner.open(path, password="x")


def test_a_signer_shows_its_address_only() -> None:
    signer = KeySigner.from_key(KEYS[0])
    assert repr(signer) == f"KeySigner({ADDRESS})"
    assert KEYS[0][2:] not in repr(vars(signer))


def test_a_signer_is_neither_pickled_nor_copied() -> None:
    signer = KeySigner.from_key(KEYS[0])
    for move in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="key stays"):
            move(signer)
