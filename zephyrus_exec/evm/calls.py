"""Contract calls at one endpoint: reads and simulations."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InsufficientFunds, NoCodeAtAddress, UnexpectedResult
from ..interfaces.chain import Call, ReadResult, Simulation
from ..model import Json
from . import replies
from .abi import decode_outputs
from .codec import BadData
from .node import EvmNode, refused
from .reverts import call_reverted
from .rpc import RpcError


async def read(node: EvmNode, call: Call, sender: str | None, min_block: int | None) -> ReadResult:
    """Return what the contract answers at the latest block, which is `min_block` or later.

    Raises:
        CallReverted: The contract refused.
        NoCodeAtAddress: There is no contract.
        UnexpectedResult: The answer does not fit the ABI.
        NodeFailed: The node is of no use.
    """
    number = await node.latest(min_block)
    return ReadResult(_outputs(call, await _call(node, call, sender, number)), number)


async def simulate(node: EvmNode, call: Call, sender: str, min_block: int | None) -> Simulation:
    """Return what sending the call would do now; nothing is sent.

    A call that returns nothing where its ABI promises something is let through, with no value:
    well-known tokens do that, and a transaction's output matters to nobody.

    Raises:
        InsufficientFunds: The sender cannot pay the value.
        CallReverted: As for `read`, and so are the others.
    """
    number = await node.latest(min_block)
    if call.value_wei:
        await _check_funds(node, call, sender, number)
    data = await _call(node, call, sender, number)
    value = _outputs(call, data) if data else None
    try:
        gas = await node.request("eth_estimateGas", [_message(call, sender), hex(number)])
    except RpcError as error:
        raise _failed(call, error) from None
    return Simulation(value, replies.quantity(gas, "gas estimate"))


async def _call(node: EvmNode, call: Call, sender: str | None, number: int) -> bytes:
    try:
        reply = await node.request("eth_call", [_message(call, sender), hex(number)])
    except RpcError as error:
        raise _failed(call, error) from None
    data = replies.data(reply, "answer to a call")
    if not data and not await node.code(call.to, number):
        raise NoCodeAtAddress(
            f"there is no contract at {call.to} on chain {call.chain_id}; "
            "check the address and the chain id",
            address=call.to,
            chain_id=call.chain_id,
        )
    return data


async def _check_funds(node: EvmNode, call: Call, sender: str, number: int) -> None:
    balance = await node.balance(sender, number)
    if balance < call.value_wei:
        raise InsufficientFunds(
            f"{sender} has {balance} wei and cannot send {call.value_wei}; send it some",
            sender=sender,
            balance_wei=str(balance),
            needed_wei=str(call.value_wei),
        )


def _outputs(call: Call, data: bytes) -> Json:
    try:
        return decode_outputs(call.abi, data)
    except BadData:
        raise UnexpectedResult(
            f"what {call.function} returned does not fit the contract's ABI; "
            "check the outputs there, and the contract's address",
            chain_id=call.chain_id,
            function=call.function,
        ) from None


def _failed(call: Call, error: RpcError) -> Exception:
    data = replies.revert_data(error)
    if data is None:
        return refused("a call", error)
    return call_reverted(call, data, said=error.message)


def _message(call: Call, sender: str | None) -> Mapping[str, Json]:
    message: dict[str, Json] = {"to": call.to, "data": "0x" + call.data.hex()}
    if sender is not None:
        message["from"] = sender
    if call.value_wei:
        message["value"] = hex(call.value_wei)
    return message
