"""Random transactions: the same bytes as eth_account makes, and what was meant comes back."""

from __future__ import annotations

from contextlib import suppress

from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anvil import KEYS
from zephyrus_exec.errors import TransactionRejected
from zephyrus_exec.evm.signers import KeySigner
from zephyrus_exec.evm.transactions import (
    decode_transaction,
    signed_transaction,
    unsigned_payload,
)
from zephyrus_exec.interfaces.chain import Call, Fees
from zephyrus_exec.model import FunctionType

SIGNER = KeySigner.from_key(KEYS[0])
TO = "0x3535353535353535353535353535353535353535"
WEI = st.integers(0, 2**96)
FEES = st.builds(Fees, WEI, st.none()) | st.builds(lambda a, b: Fees(a + b, b), WEI, WEI)
CALLS = st.builds(
    lambda chain_id, data, value: Call(
        chain_id, TO, data, "f()", FunctionType.PAYABLE, {}, {}, value_wei=value
    ),
    st.integers(1, 2**40),
    st.binary(max_size=80),
    WEI,
)
NONCES = st.integers(0, 2**63)
GAS = st.integers(0, 2**40)


@settings(max_examples=40, deadline=None)
@given(CALLS, NONCES, GAS, FEES)
def test_bytes_are_those_of_eth_account_and_say_what_was_meant(
    call: Call, nonce: int, gas: int, fees: Fees
) -> None:
    payload = unsigned_payload(call, nonce=nonce, gas=gas, fees=fees)
    signature = SIGNER._sign(payload)
    signed = signed_transaction(call, nonce=nonce, gas=gas, fees=fees, signature=signature)
    fields: dict[str, object] = {
        "chainId": call.chain_id,
        "nonce": nonce,
        "gas": gas,
        "to": TO,
        "value": call.value_wei,
        "data": call.data,
    }
    if fees.max_priority_fee_wei is None:
        fields["gasPrice"] = fees.max_fee_wei
    else:
        fields["maxFeePerGas"] = fees.max_fee_wei
        fields["maxPriorityFeePerGas"] = fees.max_priority_fee_wei
    assert signed.raw == bytes(Account.sign_transaction(fields, KEYS[0]).raw_transaction)
    said = decode_transaction(signed.raw, chain_id=call.chain_id)
    assert (said.chain_id, said.sender, said.nonce) == (call.chain_id, SIGNER.address, nonce)
    assert (said.to, said.data, said.value_wei) == (TO, call.data, call.value_wei)
    assert (said.gas, said.fees, said.hash) == (gas, fees, signed.hash)


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_transaction_or_rejected(raw: bytes, typed: bool) -> None:
    with suppress(TransactionRejected):
        decode_transaction(b"\x02" + raw if typed else raw, chain_id=1)


@settings(max_examples=60, deadline=None)
@given(CALLS, FEES, st.binary(min_size=64, max_size=64), st.integers(0, 1))
def test_any_signature_is_recovered_or_rejected(
    call: Call, fees: Fees, rs: bytes, parity: int
) -> None:
    signature = rs + bytes([parity])
    with suppress(TransactionRejected):
        signed = signed_transaction(call, nonce=0, gas=1, fees=fees, signature=signature)
        decode_transaction(signed.raw, chain_id=call.chain_id)
