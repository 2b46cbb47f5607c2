"""What a look at the chain means for an effect: pure decisions, from evidence only."""

from __future__ import annotations

from attrs import evolve, frozen

from ..interfaces.chain import Lookup, Receipt
from ..model import JsonObject
from .records import MINED, Effect, EffectState, Fact, Purpose


@frozen
class Finding:
    """What a look at the chain means for one effect."""

    effect: Effect
    """As it stands now; the same as before: nothing changed."""
    facts: tuple[Fact, ...] = ()
    """What is to be told."""
    ripe_at: int = 0
    """Height of the head from which another look can show more; 0: any."""


def assess(effect: Effect, seen: Lookup, final: int | None) -> Finding:
    """Return what a look means.

    Args:
        effect: As it is stored; in flight, or mined.
        seen: Receipts of all its hashes and the sender's nonce.
        final: Height of a block that was final *before* the look; null: not known. What stands in
            a block up to it stands for ever, since the look came later.
    """
    for attempt in effect.attempts:
        receipt = seen.receipts.get(attempt.transaction_hash)
        if receipt is not None:
            if attempt.purpose is Purpose.CANCEL:
                return _cancel_included(effect, receipt, seen, final)
            return _included(effect, receipt, seen, final)
    if effect.receipt is not None and seen.block.number < effect.receipt.block_number:
        return Finding(effect)  # a node that is behind
    if seen.nonce > effect.nonce:
        return _used(effect, seen)
    return _waiting(effect, seen)


def is_final(receipt: Receipt, seen: Lookup, final: int | None) -> bool:
    """Whether the receipt's block can never be replaced."""
    return final is not None and receipt.block_number <= final <= seen.block.number


def _included(effect: Effect, receipt: Receipt, seen: Lookup, final: int | None) -> Finding:
    known = effect.receipt is not None and effect.receipt.block_hash == receipt.block_hash
    deep = seen.block.number - receipt.block_number + 1 >= effect.confirmations
    if not deep and not known:
        ripe_at = receipt.block_number + effect.confirmations - 1
        return evolve(_unmined(effect, seen), ripe_at=ripe_at)
    facts: list[Fact] = []
    if effect.state in MINED and not known:
        facts.append(_reorged(effect, seen))
    if not known:
        facts.append(("mined", _receipt_data(receipt)))
    if is_final(receipt, seen, final):
        facts.append(("finalized", _receipt_data(receipt)))
        return Finding(effect.mined(receipt, final=True), tuple(facts))
    if known:
        return Finding(effect)
    return Finding(effect.mined(receipt, final=False), tuple(facts))


def _cancel_included(effect: Effect, receipt: Receipt, seen: Lookup, final: int | None) -> Finding:
    """A cancel counts only once it is final: until then a reorg may let the call come first."""
    if not is_final(receipt, seen, final):
        return _unmined(effect, seen)
    cancelled = evolve(effect, state=EffectState.CANCELLED, receipt=receipt, evidence=None)
    return Finding(cancelled, (("cancelled", _receipt_data(receipt)),))


def _used(effect: Effect, seen: Lookup) -> Finding:
    """Its nonce is used, and not by any attempt of it: remember where that was seen."""
    back = _unmined(effect, seen)
    if back.effect.evidence is not None:
        return back
    where: JsonObject = {"block_number": seen.block.number, "block_hash": seen.block.hash}
    changed = evolve(back.effect, evidence=where)
    return Finding(changed, (*back.facts, ("nonce_used", where)))


def _waiting(effect: Effect, seen: Lookup) -> Finding:
    back = _unmined(effect, seen)
    if back.effect.evidence is None or _behind(back.effect, seen):
        return back
    return Finding(evolve(back.effect, evidence=None), (*back.facts, ("nonce_free", {})))


def _behind(effect: Effect, seen: Lookup) -> bool:
    evidence = effect.evidence or {}
    return seen.block.number < int(str(evidence["block_number"]))


def _unmined(effect: Effect, seen: Lookup) -> Finding:
    if effect.state not in MINED:
        return Finding(effect)
    return Finding(effect.unmined(), (_reorged(effect, seen),))


def _reorged(effect: Effect, seen: Lookup) -> Fact:
    was = effect.receipt
    assert was is not None, "a mined effect has its receipt"
    return "reorged", {
        "transaction_hash": was.transaction_hash,
        "block_number": was.block_number,
        "block_hash": was.block_hash,
        "seen_at_block": seen.block.number,
    }


def _receipt_data(receipt: Receipt) -> JsonObject:
    return {
        "transaction_hash": receipt.transaction_hash,
        "success": receipt.success,
        "block_number": receipt.block_number,
        "block_hash": receipt.block_hash,
        "gas_used": receipt.gas_used,
    }
