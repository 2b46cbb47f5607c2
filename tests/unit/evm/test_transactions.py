"""The bytes of transactions, against known vectors and eth_account."""

from __future__ import annotations

import pytest
from attrs import evolve
from eth_account import Account

from tests.anvil import KEYS
from zephyrus_exec.errors import TransactionRejected
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.evm.transactions import decode_transaction
from zephyrus_exec.interfaces.chain import Call, Fees
from zephyrus_exec.model import FunctionType

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CHAIN = EvmChain(1, ["http://localhost"])
CALL = Call(
    chain_id=1,
    to="0x3535353535353535353535353535353535353535",
    data=b"",
    function="f()",
    type=FunctionType.PAYABLE,
    arguments={},
    abi={},
    value_wei=10**18,
)
LEGACY = Fees(20 * 10**9, None)
DYNAMIC = Fees(2 * 10**9, 10**9)


async def test_the_example_of_eip_155_comes_out_byte_for_byte() -> None:
    unsigned = CHAIN.build(CALL, nonce=9, gas=21000, fees=LEGACY)
    assert unsigned.payload.hex() == (
        "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080"
    )
    signer = KeySigner.from_key("46" * 32)
    signed = CHAIN.assemble(unsigned, await signer.sign(unsigned.payload))
    assert signed.raw.hex() == (
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
        "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
        "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )
    assert CHAIN.decode(signed.raw).sender == "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"


@pytest.mark.parametrize("fees", [LEGACY, DYNAMIC])
@pytest.mark.parametrize("data", [b"", b"\x00\x01" * 50])
async def test_the_bytes_are_those_eth_account_makes(fees: Fees, data: bytes) -> None:
    call = evolve(CALL, data=data)
    unsigned = CHAIN.build(call, nonce=3, gas=90_000, fees=fees)
    signed = CHAIN.assemble(unsigned, await KeySigner.from_key(KEYS[0]).sign(unsigned.payload))
    fields: dict[str, object] = {
        "chainId": 1,
        "nonce": 3,
        "gas": 90_000,
        "to": call.to,
        "value": call.value_wei,
        "data": data,
    }
    if fees.max_priority_fee_wei is None:
        fields["gasPrice"] = fees.max_fee_wei
    else:
        fields["maxFeePerGas"] = fees.max_fee_wei
        fields["maxPriorityFeePerGas"] = fees.max_priority_fee_wei
    reference = Account.sign_transaction(fields, KEYS[0])
    assert signed.raw == bytes(reference.raw_transaction)
    assert signed.hash == "0x" + bytes(reference.hash).hex()


async def signed_bytes(fees: Fees = DYNAMIC) -> bytes:
    unsigned = CHAIN.build(CALL, nonce=0, gas=21_000, fees=fees)
    signature = await KeySigner.from_key(KEYS[0]).sign(unsigned.payload)
    return CHAIN.assemble(unsigned, signature).raw


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        bytes(64) + b"\x02",
        bytes(64) + b"\x1b",
        b"\x01" * 32 + (ORDER // 2 + 1).to_bytes(32, "big") + b"\x00",
    ],
)
def test_a_signature_of_another_form_is_refused(signature: bytes) -> None:
    unsigned = CHAIN.build(CALL, nonce=0, gas=21_000, fees=DYNAMIC)
    with pytest.raises(TransactionRejected):
        CHAIN.assemble(unsigned, signature)


@pytest.mark.parametrize("fees", [LEGACY, DYNAMIC])
async def test_bytes_for_another_chain_are_refused(fees: Fees) -> None:
    raw = await signed_bytes(fees)
    with pytest.raises(TransactionRejected, match="for chain 1, not 2"):
        decode_transaction(raw, chain_id=2)


@pytest.mark.parametrize("fees", [LEGACY, DYNAMIC])
async def test_bytes_that_were_cut_are_refused(fees: Fees) -> None:
    raw = await signed_bytes(fees)
    for end in range(len(raw)):
        with pytest.raises(TransactionRejected):
            CHAIN.decode(raw[:end])


def test_a_transaction_without_chain_is_refused() -> None:
    fields = {"nonce": 0, "gas": 21_000, "to": CALL.to, "value": 1, "data": b"", "gasPrice": 1}
    raw = bytes(Account.sign_transaction(fields, KEYS[0]).raw_transaction)
    with pytest.raises(TransactionRejected, match="EIP-155"):
        CHAIN.decode(raw)


def test_an_access_list_is_refused() -> None:
    fields = {
        "chainId": 1,
        "nonce": 0,
        "gas": 50_000,
        "to": CALL.to,
        "value": 1,
        "data": b"",
        "maxFeePerGas": 2,
        "maxPriorityFeePerGas": 1,
        "accessList": [{"address": CALL.to, "storageKeys": ["0x" + "00" * 32]}],
    }
    raw = bytes(Account.sign_transaction(fields, KEYS[0]).raw_transaction)
    with pytest.raises(TransactionRejected, match="access list"):
        CHAIN.decode(raw)


async def test_a_large_s_is_refused_when_decoding() -> None:
    raw = await signed_bytes()
    s = int.from_bytes(raw[-32:], "big")
    with pytest.raises(TransactionRejected, match="EIP-2"):
        CHAIN.decode(raw[:-32] + (ORDER - s).to_bytes(32, "big"))
