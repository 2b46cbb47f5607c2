"""Processes that send effects over one store and one model chain, and what must always hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count, pairwise

from attrs import define, field

from zephyrus_exec.engine.effects import Effects
from zephyrus_exec.engine.fees import FeePolicy
from zephyrus_exec.engine.intents import Intent
from zephyrus_exec.engine.journal import Journal
from zephyrus_exec.engine.lanes import Lanes
from zephyrus_exec.engine.listing import read_all, scan_all
from zephyrus_exec.engine.offers import Offers
from zephyrus_exec.engine.owner_rule import OwnerRule
from zephyrus_exec.engine.reconciler import Reconciler
from zephyrus_exec.engine.records import EFFECT, LANE, SLOT, Effect, EffectState, Lane, lane_key
from zephyrus_exec.errors import ChainUnavailable, ZephyrusError
from zephyrus_exec.interfaces.chain import Fees, SignedTransaction
from zephyrus_exec.interfaces.store import Append, ExecutionStore, Expect, NewEvent, Write
from zephyrus_exec.model import AgentFunction, Contract, FunctionType, Json
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.chain import GWEI, ModelChain, ModelSigner
from zephyrus_exec.testing.clock import ManualClock, settle
from zephyrus_exec.testing.faulty_store import FaultyStore
from zephyrus_exec.testing.ledger import ModelCall

CONTRACT = Contract("counter", "0x" + "c0" * 20, 1337)
COUNT = AgentFunction("count", type=FunctionType.WRITE)

Around = Callable[[ExecutionStore], ExecutionStore]
"""Puts something between a process and the store, for example one that forgets a condition."""


def _count(call: ModelCall) -> Json:
    """Count how often each effect happened: the proof that none did twice."""
    key = str(call.arguments["key"])
    call.storage[key] = int(str(call.storage.get(key, 0))) + 1
    return None


class Medium(MemoryStore):
    """A store that knows which signed bytes would survive a power cut."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: set[bytes] = set()

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        """Apply all writes; a durable commit takes along what was committed before it."""
        position = await super().commit(writes, expect=expect)
        if durable:
            await self.check()
        return position

    async def check(self) -> None:
        """Flush everything."""
        self.flushed = await committed_bytes(self)


class WatchedChain(ModelChain):
    """A chain that notes whatever reaches it before it was committed and flushed."""

    def __init__(self, store: Medium) -> None:
        super().__init__(automine=False)
        self.store = store
        self.unflushed: list[bytes] = []
        self.foreign: set[bytes] = set()
        self.lose_request = 0
        self.lose_reply = 0

    async def broadcast(self, raw: bytes) -> None:
        """Take bytes only with a look whether they are on the medium."""
        if raw not in self.foreign and raw not in self.store.flushed:
            self.unflushed.append(raw)
        if self.lose_request:
            self.lose_request -= 1
            raise ChainUnavailable("the request was lost", chain_id=self.chain_id)
        await super().broadcast(raw)
        if self.lose_reply:
            self.lose_reply -= 1
            raise ChainUnavailable("the reply was lost", chain_id=self.chain_id)


class InterruptedSigner(ModelSigner):
    """A signer during whose work something else may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], Awaitable[None]]] = []

    async def sign(self, payload: bytes) -> bytes:
        """Sign, after whatever was to happen meanwhile."""
        if self.meanwhile:
            await self.meanwhile.pop()()
        return await super().sign(payload)


async def committed_bytes(store: ExecutionStore) -> set[bytes]:
    """Return every byte string that may be sent."""
    effects = [Effect.of(record) for record in await scan_all(store, EFFECT)]
    return {attempt.bytes for effect in effects for attempt in effect.attempts}


@define(eq=False)
class Process:
    """One engine's worth of sending and watching."""

    store: FaultyStore
    reconciler: Reconciler
    effects: Effects
    offers: Offers
    looking: asyncio.Task[None]
    performing: dict[str, asyncio.Task[Effect]] = field(factory=dict)
    superseded: list[asyncio.Task[Effect]] = field(factory=list)


class EffectsWorld:
    """One store, one chain, one signer; processes come and go."""

    def __init__(self, *, policy: FeePolicy | None = None, around: Around | None = None) -> None:
        self.clock = ManualClock()
        self.inner = Medium()
        self.chain = WatchedChain(self.inner)
        self.signer = InterruptedSigner()
        self.chain.fund(self.signer.address, 10**20)
        self.chain.deploy(CONTRACT.address, {"count": _count})
        self.policy = policy or FeePolicy()
        self.around: Around = around or (lambda store: store)
        self.processes: list[Process] = []
        self.submitted: list[str] = []
        self.opened_by_hand = False
        self._numbers = count(1)

    # --- processes

    async def start(self, *, turns: int = 0) -> Process:
        """Start a process; it takes up what is open in the store.

        Args:
            turns: Turns of the event loop that everything its store does takes.
        """
        store = FaultyStore(self.around(self.inner), turns=turns)
        offers = Offers(store, self.clock, signers=[self.signer], policies={1337: self.policy})
        reconciler = Reconciler(store, self.clock, {1337: self.chain}, offers=offers)
        effects = Effects(store, self.clock, reconciler, offers=offers)
        await reconciler.start()
        looking = asyncio.create_task(reconciler.run())
        process = Process(store, reconciler, effects, offers, looking)
        self.processes.append(process)
        return process

    async def crash(self, process: Process) -> None:
        """End a process in the middle of whatever it does."""
        self.processes.remove(process)
        process.store.cut()
        tasks = [process.looking, *process.performing.values(), *process.superseded]
        tasks += process.reconciler._tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def close(self) -> None:
        """End every process, so that nothing of it is left."""
        for process in list(self.processes):
            await self.crash(process)

    def lanes(self, process: Process) -> Lanes:
        """Return an operator's hands in this process."""
        return Lanes(
            process.store,
            self.clock,
            {1337: self.chain},
            offers=process.offers,
            reconciler=process.reconciler,
            authorizer=OwnerRule(),
        )

    # --- effects

    async def submit(self, process: Process) -> str:
        """Begin a new execution with one effect, and return that one's key."""
        execution = f"x{next(self._numbers)}"
        key = f"{execution}:1:1"
        self.submitted.append(key)
        await self.inner.commit([self.event(execution, 1, "accepted")])
        self.perform(process, key, self.journal(process, execution, 1))
        return key

    async def take_over(self, process: Process, key: str) -> None:
        """Go on with an effect's execution in another process, as an owner does."""
        execution = key.partition(":")[0]
        seq = len(await read_all(self.inner, execution))
        await self.inner.commit([self.event(execution, seq + 1, "taken_over")])
        self.perform(process, key, self.journal(process, execution, seq + 1))

    def event(self, stream: str, seq: int, kind: str) -> Append:
        """Return the write that appends an event."""
        return Append(stream, seq, (NewEvent(self.clock.now(), kind, "{}"),))

    def journal(self, process: Process, execution: str, seq: int) -> Journal:
        """Return a writer of an execution's stream."""
        return Journal(process.store, self.clock, execution, lambda _: None, seq=seq)

    def perform(
        self,
        process: Process,
        key: str,
        journal: Journal,
        *,
        said: str | None = None,
        min_block: int | None = None,
    ) -> asyncio.Task[Effect]:
        """Perform the effect of this key in a task."""
        call = self.chain.encode(CONTRACT, COUNT, {"key": said or key})
        intent = Intent(
            key=key,
            execution_id=key.partition(":")[0],
            cycle=1,
            step=1,
            call=call,
            gas_limit=None,
            max_priority_fee_gwei=None,
            confirmations=2,
            min_block=min_block,
        )
        task = asyncio.ensure_future(
            process.effects.perform(
                intent,
                journal=journal,
                chain=self.chain,
                signer=self.signer,
                cancelled=lambda: False,
                signed=lambda _: None,
            )
        )
        if key in process.performing:
            process.superseded.append(process.performing[key])
        process.performing[key] = task
        return task

    def while_signing(self, act: Callable[[], Awaitable[None]]) -> None:
        """Let something happen while the next transaction is being signed."""
        self.signer.meanwhile.append(act)

    # --- somebody else

    async def foreign_transaction(self, *, dearer: bool) -> SignedTransaction:
        """Offer a transaction of the same key that this project did not sign."""
        nonce = self.chain.ledger.nonce(self.signer.address)
        call = self.chain.blank(CONTRACT.address)
        fees = Fees((90 if dearer else 3) * GWEI, (80 if dearer else 1) * GWEI)
        unsigned = self.chain.build(call, nonce=nonce, gas=21_000, fees=fees)
        transaction = self.chain.assemble(unsigned, await ModelSigner().sign(unsigned.payload))
        self.chain.foreign.add(transaction.raw)
        try:
            self.chain.ledger.offer(self.chain.decode(transaction.raw))
        except ZephyrusError:
            return transaction
        return transaction

    # --- looking

    async def stored(self) -> list[Effect]:
        """Return every effect."""
        return [Effect.of(record) for record in await scan_all(self.inner, EFFECT)]

    async def lane(self) -> Lane | None:
        """Return the lane."""
        record = await self.inner.get(LANE, lane_key(1337, self.signer.address))
        return None if record is None else Lane.of(record)

    def happened(self, key: str) -> int:
        """Return how often an effect happened, in the blocks that stand now."""
        return int(str(self.chain.ledger.storage(CONTRACT.address).get(key, 0)))

    @property
    def final_block(self) -> int:
        """Height of the newest final block."""
        return max(0, self.chain.ledger.head.number - self.chain.final_depth)

    async def check(self) -> None:
        """Everything that must hold at every moment."""
        assert not self.chain.unflushed, "bytes reached the chain that were not on the medium"
        effects = await self.stored()
        for key in self.submitted:
            assert self.happened(key) <= 1, f"{key} happened twice"
        self._check_slots(effects)
        for effect in effects:
            self._check_attempts(effect)
            self._check_outcome(effect)
        await self._check_lane(effects)

    def _check_slots(self, effects: list[Effect]) -> None:
        nonces = [effect.nonce for effect in effects]
        assert len(set(nonces)) == len(nonces), "two effects share a slot"

    def _check_attempts(self, effect: Effect) -> None:
        said = [self.chain.decode(attempt.bytes) for attempt in effect.attempts]
        assert {one.nonce for one in said} == {effect.nonce}
        blank = self.chain.blank(self.signer.address)
        calls = {(one.to, one.data, one.value_wei) for one in said}
        assert len(calls - {(blank.to, blank.data, 0)}) == 1, "a slot has more than one intent"
        fees = [one.fees.max_fee_wei for one in said]
        assert all(new * 8 >= old * 9 for old, new in pairwise(fees))

    def _check_outcome(self, effect: Effect) -> None:
        ledger, state = self.chain.ledger, effect.state
        if state in (EffectState.FINAL_OK, EffectState.FINAL_REVERTED, EffectState.CANCELLED):
            assert effect.receipt is not None
            assert ledger.receipt(effect.receipt.transaction_hash) == effect.receipt
            assert effect.receipt.block_number <= self.final_block
        used = ledger.consumer(self.signer.address, effect.nonce, after=-1, upto=self.final_block)
        if state is EffectState.DISPLACED:
            assert effect.evidence is not None
            assert used == effect.evidence["consumer"]
            assert used not in effect.hashes
        if state is EffectState.IN_DOUBT:
            assert used is None
            assert ledger.nonce(self.signer.address) > effect.nonce
        if state is not EffectState.FINAL_OK and effect.closed:
            assert self.happened(effect.key) == 0

    async def _check_lane(self, effects: list[Effect]) -> None:
        lane = await self.lane()
        if lane is None or not effects:
            assert lane is None or not effects
            return
        nonces = sorted(effect.nonce for effect in effects)
        slots = [record.key for record in await scan_all(self.inner, SLOT)]
        assert len(slots) == len(nonces)
        if not self.opened_by_hand:
            assert lane.next_nonce == nonces[-1] + 1
            assert nonces == list(range(nonces[0], nonces[-1] + 1)), "a nonce was skipped"

    async def settle_all(self, *, alone: bool) -> None:
        """Let everything come to its end, in a process that works and on a chain that works.

        Args:
            alone: Whether nobody else used the account's key: then nothing may be lost.
        """
        self.chain.lose_request = self.chain.lose_reply = 0
        self.chain.ledger.base_fee_wei = GWEI
        await self.close()
        process = await self.start()
        for key in self.submitted:
            await self.take_over(process, key)
        for _ in range(120):
            await self.clock.advance(12)
            self._fill_gap([e for e in await self.stored() if not e.closed])
            self.chain.mine(2)
            if all(effect.closed for effect in await self.stored()) and all(
                task.done() for task in process.performing.values()
            ):
                break
        await self.check()
        for effect in await self.stored():
            assert effect.closed, f"{effect.key} stays {effect.state}"
            expected = int(effect.state is EffectState.FINAL_OK)
            assert self.happened(effect.key) == expected, effect.state
            if alone:
                assert effect.state in (EffectState.FINAL_OK, EffectState.CANCELLED)
                assert effect.state is EffectState.FINAL_OK or len(effect.attempts) > 1
        for key in {*self.submitted} - {effect.key for effect in await self.stored()}:
            assert self.happened(key) == 0
        for task in process.performing.values():
            assert task.done(), "somebody waits for ever"

    def _fill_gap(self, effects: list[Effect]) -> None:
        """Use nonces below every slot: a lane that began on somebody else's reorged transaction
        waits for those."""
        nonces = [effect.nonce for effect in effects]
        ledger = self.chain.ledger
        while nonces and ledger.nonce(self.signer.address) < min(nonces):
            ledger.use_nonce(self.signer.address)


async def told(task: asyncio.Task[Effect]) -> Effect | ZephyrusError:
    """Return what came of performing, which nothing delays."""
    await settle(60)
    assert task.done(), "it waits"
    error = task.exception()
    if isinstance(error, ZephyrusError):
        return error
    return task.result()
