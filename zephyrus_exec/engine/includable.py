"""Can it ever be mined? What is checked before anything is signed."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from ..errors import GasLimitExceeded, InsufficientFunds, TransactionRejected
from ..interfaces.chain import Account, Block, Call, Chain, Fees
from .records import Effect


@frozen
class Offer:
    """What a transaction may cost."""

    gas: int
    fees: Fees

    @property
    def worst_cost_wei(self) -> int:
        """Most that it can take from its sender, without what it sends along."""
        return self.gas * self.fees.max_fee_wei


def check_gas(
    call: Call, chain: Chain, *, estimate: int, gas_limit: int | None, block: Block
) -> int:
    """Return the most gas the call may be given.

    Args:
        call: To be sent.
        chain: Where.
        estimate: What the node says it needs.
        gas_limit: The agent's; null: the block's.
        block: The head.

    Raises:
        GasLimitExceeded: It needs more, or more than any block has.
    """
    ceiling = min(gas_limit or block.gas_limit, block.gas_limit)
    needed = max(estimate, chain.intrinsic_gas(call))
    if needed > ceiling:
        raise GasLimitExceeded(
            f"{call.function} needs about {needed} gas, the limit is {ceiling}; "
            "raise the agent's gas_limit if that is meant",
            gas=needed,
            gas_limit=ceiling,
            function=call.function,
        )
    return ceiling


def check_sender(call: Call, chain: Chain, account: Account, sender: str) -> None:
    """Return if what this account's key signs can be included on this chain.

    Raises:
        TransactionRejected: It cannot.
    """
    if call.chain_id != chain.chain_id:
        raise TransactionRejected(
            f"the call is for chain {call.chain_id}, not {chain.chain_id}; nothing was sent",
            reason="wrong_chain",
        )
    if not account.can_send:
        raise TransactionRejected(
            f"{sender} is a contract, so no transaction of its key can be included (EIP-3607); "
            "use the signer of an account without code",
            reason="sender_has_code",
            sender=sender,
        )


def check_fees(fees: Fees, block: Block, sender: str) -> None:
    """Return if the fees are enough for the block after this one, as far as that is known.

    Raises:
        TransactionRejected: The cap of the chain's fee policy is below the base fee.
    """
    base = block.base_fee_wei or 0
    if fees.max_fee_wei < base:
        raise TransactionRejected(
            f"the base fee is {base} wei per gas and the most that may be offered is "
            f"{fees.max_fee_wei}; wait, or raise the cap",
            reason="fee_cap",
            sender=sender,
        )


def check_funds(
    call: Call,
    offer: Offer,
    account: Account,
    sender: str,
    under_way: Iterable[Effect],
    *,
    promised_wei: int = 0,
) -> None:
    """Return if the account can pay the worst case of this and of everything under way.

    Args:
        call: To be sent.
        offer: What it may cost.
        account: As it was seen.
        sender: Its address.
        under_way: What was signed before.
        promised_wei: Worst case of what is about to be signed before it.

    Raises:
        InsufficientFunds: It cannot.
    """
    needed = promised_wei + offer.worst_cost_wei + call.value_wei
    needed += sum(effect.worst_cost_wei for effect in under_way if effect.nonce >= account.nonce)
    if account.balance_wei < needed:
        raise InsufficientFunds(
            f"{sender} has {account.balance_wei} wei and may need {needed}, what is under way "
            "included; send it some",
            sender=sender,
            balance_wei=str(account.balance_wei),
            needed_wei=str(needed),
        )
