"""Whatever happens to processes, pools, blocks and replies, no effect happens twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zephyrus_exec.engine.fees import FeePolicy
from zephyrus_exec.engine.lanes import Lanes
from zephyrus_exec.engine.records import Lane
from zephyrus_exec.errors import ChainUnavailable, OperationRefused, StoreError, TransactionRejected
from zephyrus_exec.model import OPERATOR
from zephyrus_exec.testing.chain import GWEI
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.faulty_store import Fault

from .effects_world import EffectsWorld, Process

T = TypeVar("T")

which = st.integers(0, 10)
_MOST_EFFECTS = 8
_MOST_PROCESSES = 3
_MEANWHILE = ("drained", "withdrawn", "not signed", "another process signs")
_ANSWERING = [fault for fault in Fault if fault.name not in ("HELD", "HELD_LOST", "KILLED")]


class Bugs(logging.Handler):
    """Collects what the library itself calls a bug."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if "this is a bug" in record.getMessage():
            self.told.append(self.format(record))


class EffectsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bugs = Bugs()
        logging.getLogger("zephyrus_exec").addHandler(self.bugs)

    @initialize(
        stuck_after=st.sampled_from([None, 100.0]),
        cap=st.sampled_from([None, 4]),
        shared=st.booleans(),
    )
    def begin(self, stuck_after: float | None, cap: int | None, shared: bool) -> None:
        self.shared = shared
        cap_wei = None if cap is None else cap * GWEI
        policy = FeePolicy(bump_after=30.0, stuck_after=stuck_after, max_fee_wei=cap_wei)
        self.world = EffectsWorld(policy=policy)
        process = self.run(self.world.start())
        self.run(self.world.submit(process))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def all_of_it() -> T:
            result = await work
            await settle(5)
            return result

        return self.loop.run_until_complete(all_of_it())

    def process(self, number: int) -> Process:
        return self.world.processes[number % len(self.world.processes)]

    # --- what processes do

    @precondition(lambda self: len(self.world.submitted) < _MOST_EFFECTS)
    @rule(number=which)
    def submit(self, number: int) -> None:
        self.run(self.world.submit(self.process(number)))

    @precondition(lambda self: len(self.world.submitted) < _MOST_EFFECTS)
    @rule(number=which, more=st.integers(1, 3), meanwhile=st.sampled_from(["", *_MEANWHILE]))
    def submit_together(self, number: int, more: int, meanwhile: str) -> None:
        """A group of one process; perhaps something happens while the first of it is signed."""
        process = self.process(number)

        async def submit() -> None:
            if meanwhile:
                self.world.while_signing(lambda: self.happen(meanwhile, process))
            for _ in range(1 + more):
                await self.world.submit(process)
            await settle(20)
            self.world.signer.meanwhile.clear()  # nothing was signed: it happens to nobody else

        self.run(submit())

    async def happen(self, what: str, process: Process) -> None:
        world, processes = self.world, self.world.processes
        if what == "drained":
            await self._operate(
                lambda lanes, lane: lanes.drain(lane.key, principal=OPERATOR, reason="test")
            )
        elif what == "withdrawn":
            process.performing[world.submitted[-1]].cancel()
        elif what == "not signed":
            raise TransactionRejected("not this one", reason="policy")
        elif processes and len(world.submitted) < 2 * _MOST_EFFECTS:
            await world.submit(processes[-1])
            await settle(20)

    @precondition(lambda self: len(self.world.processes) < _MOST_PROCESSES)
    @rule()
    def another_process(self) -> None:
        self.run(self.world.start())

    @precondition(lambda self: self.world.submitted)
    @rule(number=which, effect=which)
    def take_over(self, number: int, effect: int) -> None:
        """The old owner goes on as a zombie, if it is still there."""
        key = self.world.submitted[effect % len(self.world.submitted)]
        self.run(self.world.take_over(self.process(number), key))

    @rule(number=which)
    def crash(self, number: int) -> None:
        self.run(self.world.crash(self.process(number)))
        if not self.world.processes:
            self.run(self.world.start())

    @precondition(lambda self: len(self.world.submitted) < _MOST_EFFECTS)
    @rule(number=which, nth=st.integers(1, 3), more=st.integers(0, 2), taken_over=st.booleans())
    def killed_before_the_flush(self, number: int, nth: int, more: int, taken_over: bool) -> None:
        """Perhaps in the middle of a group."""
        process = self.process(number)
        process.store.fail(Fault.KILLED, nth=nth)

        async def submit() -> list[str]:
            return [await self.world.submit(process) for _ in range(1 + more)]

        keys = self.run(submit())
        self.crash(number)
        for key in keys if taken_over else ():
            self.run(self.world.take_over(self.process(number), key))

    @rule(number=which, fault=st.sampled_from(_ANSWERING))
    def store_fails(self, number: int, fault: Fault) -> None:
        self.process(number).store.fail(fault)

    # --- what operators do

    def operate(self, act: Callable[[Lanes, Lane], Coroutine[Any, Any, object]]) -> None:
        self.run(self._operate(act))

    async def _operate(self, act: Callable[[Lanes, Lane], Coroutine[Any, Any, object]]) -> None:
        lane = await self.world.lane()
        if lane is not None and self.world.processes:
            try:
                await act(self.world.lanes(self.world.processes[0]), lane)
            except (OperationRefused, StoreError, ChainUnavailable):
                return

    @rule(back=st.integers(1, 3))
    def operator_cancels(self, back: int) -> None:
        self.operate(
            lambda lanes, lane: lanes.cancel(
                lane.key, lane.next_nonce - back, principal=OPERATOR, reason="test"
            )
        )

    @rule()
    def operator_opens(self) -> None:
        self.world.opened_by_hand = True
        self.operate(lambda lanes, lane: lanes.open(lane.key, principal=OPERATOR, reason="test"))

    @rule()
    def operator_drains(self) -> None:
        self.operate(lambda lanes, lane: lanes.drain(lane.key, principal=OPERATOR, reason="test"))

    @rule()
    def operator_checks(self) -> None:
        self.operate(lambda lanes, lane: lanes.check(lane.key, principal=OPERATOR, reason="test"))

    # --- what chains do

    @rule(blocks=st.integers(1, 10), seconds=st.sampled_from([0.0, 3.0, 12.0]))
    def mine(self, blocks: int, seconds: float) -> None:
        for _ in range(blocks):
            self.world.chain.mine()
            self.run(self.world.clock.advance(seconds))

    @rule(depth=st.integers(1, 8), keep=st.booleans(), seen=st.booleans())
    def reorg(self, depth: int, keep: bool, seen: bool) -> None:
        ledger = self.world.chain.ledger
        if ledger.head.number >= depth:
            ledger.reorg(depth, keep=keep)
        if seen:
            self.run(self.world.clock.advance(31))

    @rule(number=which)
    def drop(self, number: int) -> None:
        pool = list(self.world.chain.ledger.pool)
        if pool:
            self.world.chain.ledger.drop(pool[number % len(pool)])

    @rule()
    def lose_the_next_request(self) -> None:
        self.world.chain.lose_request = 1

    @rule()
    def lose_the_next_reply(self) -> None:
        self.world.chain.lose_reply = 1

    @rule(gwei=st.sampled_from([1, 3, 5, 20]), blocks=st.integers(0, 5))
    def base_fee(self, gwei: int, blocks: int) -> None:
        self.world.chain.ledger.base_fee_wei = gwei * GWEI
        self.mine(blocks, 12.0)

    @precondition(lambda self: self.shared)
    @rule(dearer=st.booleans())
    def foreign_transaction(self, dearer: bool) -> None:
        self.run(self.world.foreign_transaction(dearer=dearer))

    @precondition(lambda self: self.shared)
    @rule(visible=st.booleans())
    def foreign_use(self, visible: bool) -> None:
        self.world.chain.ledger.use_nonce(self.world.signer.address, visible=visible)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 35.0, 120.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.world.clock.advance(seconds))

    # --- what must hold

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.run(self.world.check())
            assert not self.bugs.told

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.run(self.world.settle_all(alone=not self.shared))
                self.run(self.world.close())
            assert not self.bugs.told
        finally:
            logging.getLogger("zephyrus_exec").removeHandler(self.bugs)
            self.loop.close()


TestEffects = EffectsMachine.TestCase
TestEffects.settings = settings(stateful_step_count=30)
