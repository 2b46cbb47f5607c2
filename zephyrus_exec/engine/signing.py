"""From a call to signed bytes that are known to say what was meant."""

from __future__ import annotations

from ..errors import TransactionRejected
from ..interfaces.chain import Call, Chain, Fees
from ..interfaces.signer import Signer
from .records import Attempt, Purpose


async def sign(
    chain: Chain,
    signer: Signer,
    call: Call,
    *,
    nonce: int,
    gas: int,
    fees: Fees,
    at: float,
    purpose: Purpose = Purpose.CALL,
) -> Attempt:
    """Return the attempt; its bytes were decoded again and say nothing else than was meant.

    Args:
        chain: For which.
        signer: By whom.
        call: What to send.
        nonce: Of the slot.
        gas: Its gas limit.
        fees: What it offers.
        at: Now, in seconds since the epoch.
        purpose: What it is for.

    Raises:
        TransactionRejected: The signer signed something else, or somebody else did.
    """
    unsigned = chain.build(call, nonce=nonce, gas=gas, fees=fees)
    transaction = chain.assemble(unsigned, await signer.sign(unsigned.payload))
    said = chain.decode(transaction.raw)
    meant = (
        call.chain_id,
        signer.address.lower(),
        nonce,
        call.to.lower(),
        call.data,
        call.value_wei,
        gas,
        fees,
        transaction.hash,
    )
    signed = (
        said.chain_id,
        said.sender.lower(),
        said.nonce,
        said.to.lower(),
        said.data,
        said.value_wei,
        said.gas,
        said.fees,
        said.hash,
    )
    if signed != meant:
        raise TransactionRejected(
            "the signed transaction does not say what was meant; check the signer",
            reason="signature_mismatch",
        )
    return Attempt(
        transaction_hash=transaction.hash,
        raw="0x" + transaction.raw.hex(),
        gas=gas,
        max_fee_wei=fees.max_fee_wei,
        max_priority_fee_wei=fees.max_priority_fee_wei,
        signed_at=at,
        purpose=purpose,
    )
