"""The bytes of transactions: EIP-1559 (type 2) and legacy with replay protection (EIP-155)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import rlp
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException
from rlp.sedes import Binary, CountableList, List, big_endian_int, binary

from ..errors import TransactionRejected
from ..interfaces.chain import Call, DecodedTransaction, Fees, SignedTransaction

_DYNAMIC_FEE: Final = b"\x02"
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half the order of secp256k1: a larger s is another form of the same signature (EIP-2)."""

_ADDRESS = Binary.fixed_length(20)
_TARGET = Binary.fixed_length(20, allow_empty=True)
_ACCESS_LIST = CountableList(List([_ADDRESS, CountableList(Binary.fixed_length(32))]))
_DYNAMIC_FIELDS = (*[big_endian_int] * 5, _TARGET, big_endian_int, binary, _ACCESS_LIST)
_LEGACY_FIELDS = (*[big_endian_int] * 3, _TARGET, big_endian_int, binary)
_SIGNATURE = [big_endian_int] * 3


def unsigned_payload(call: Call, *, nonce: int, gas: int, fees: Fees) -> bytes:
    """Return the bytes whose Keccak-256 is signed.

    Args:
        call: What to call, on which chain, with what value; an empty `to` creates a contract.
        nonce: The sender's.
        gas: Gas limit.
        fees: What it offers; without a priority fee it becomes a legacy transaction.
    """
    fields = _fields(call, nonce, gas, fees)
    if fees.max_priority_fee_wei is None:
        return _encoded([*fields, call.chain_id, 0, 0])
    return _DYNAMIC_FEE + _encoded(fields)


def signed_transaction(
    call: Call, *, nonce: int, gas: int, fees: Fees, signature: bytes
) -> SignedTransaction:
    """Return the bytes to broadcast, and their hash.

    Args:
        call: As for `unsigned_payload`, and so are nonce, gas and fees.
        nonce: The sender's.
        gas: Gas limit.
        fees: What it offers.
        signature: 65 bytes: r, s, parity of y.

    Raises:
        TransactionRejected: The signature has another form, or a large s.
    """
    r, s, parity = _taken_apart(signature)
    fields = _fields(call, nonce, gas, fees)
    if fees.max_priority_fee_wei is None:
        raw = _encoded([*fields, call.chain_id * 2 + 35 + parity, r, s])
    else:
        raw = _DYNAMIC_FEE + _encoded([*fields, parity, r, s])
    return SignedTransaction(raw, transaction_hash(raw))


def decode_transaction(raw: bytes, *, chain_id: int) -> DecodedTransaction:
    """Return what signed bytes say.

    Args:
        raw: The bytes.
        chain_id: The only chain they may be for.

    Raises:
        TransactionRejected: They are no signed transaction of a kind we make, for that chain.
    """
    try:
        decoded = _decode_dynamic(raw) if raw[:1] == _DYNAMIC_FEE else _decode_legacy(raw)
    except (RLPException, BadSignature, ValidationError) as error:
        raise _rejected(f"no signed transaction: {type(error).__name__}") from None
    if decoded.chain_id != chain_id:
        raise _rejected(f"for chain {decoded.chain_id}, not {chain_id}")
    return decoded


def _fields(call: Call, nonce: int, gas: int, fees: Fees) -> list[object]:
    target = to_canonical_address(call.to) if call.to else b""
    tail = [gas, target, call.value_wei, call.data]
    if fees.max_priority_fee_wei is None:
        return [nonce, fees.max_fee_wei, *tail]
    return [call.chain_id, nonce, fees.max_priority_fee_wei, fees.max_fee_wei, *tail, []]


def _decode_dynamic(raw: bytes) -> DecodedTransaction:
    fields = rlp.decode(raw[1:], List([*_DYNAMIC_FIELDS, *_SIGNATURE]))
    payload = _DYNAMIC_FEE + _encoded(fields[:9])
    chain_id, nonce, priority, max_fee, gas, to, value, data, access, parity, r, s = fields
    if access:
        raise _rejected("an access list was added")
    return DecodedTransaction(
        chain_id=chain_id,
        sender=_recovered(payload, parity, r, s),
        nonce=nonce,
        to=_shown(to),
        data=data,
        value_wei=value,
        gas=gas,
        fees=Fees(max_fee, priority),
        hash=transaction_hash(raw),
    )


def _decode_legacy(raw: bytes) -> DecodedTransaction:
    fields = rlp.decode(raw, List([*_LEGACY_FIELDS, *_SIGNATURE]))
    nonce, gas_price, gas, to, value, data, v, r, s = fields
    if v < 37:
        raise _rejected("not bound to a chain (EIP-155)")
    chain_id, parity = divmod(v - 35, 2)
    payload = _encoded([*fields[:6], chain_id, 0, 0])
    return DecodedTransaction(
        chain_id=chain_id,
        sender=_recovered(payload, parity, r, s),
        nonce=nonce,
        to=_shown(to),
        data=data,
        value_wei=value,
        gas=gas,
        fees=Fees(gas_price, None),
        hash=transaction_hash(raw),
    )


def _shown(target: bytes) -> str:
    return to_checksum_address(target) if target else ""


def _recovered(payload: bytes, parity: int, r: int, s: int) -> str:
    if s > _HALF_ORDER:
        raise _rejected("its signature has a large s (EIP-2)")
    signature = Signature(vrs=(parity, r, s))
    return signature.recover_public_key_from_msg(payload).to_checksum_address()


def _taken_apart(signature: bytes) -> tuple[int, int, int]:
    if len(signature) != 65 or signature[64] > 1:
        raise _rejected("the signature is not r, s and a parity of 0 or 1")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if s > _HALF_ORDER:
        raise _rejected("its signature has a large s (EIP-2)")
    return r, s, signature[64]


def _encoded(fields: Sequence[object]) -> bytes:
    return bytes(rlp.encode(list(fields)))


def transaction_hash(raw: bytes) -> str:
    """Return the hash of signed bytes, by which nodes know them."""
    return "0x" + keccak(raw).hex()


def _rejected(reason: str) -> TransactionRejected:
    return TransactionRejected(
        f"these bytes are refused: {reason}; check the signer", reason=reason
    )
